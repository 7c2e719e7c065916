"""JSON objects parsed into frozen dataclasses: what may be left out, what may not be added."""

from dataclasses import dataclass
from typing import Any

import pytest

from events import schema


@dataclass(frozen=True, slots=True)
class Point:
    """The object that the tests parse."""

    x: int
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.x == 13:
            raise ValueError("not thirteen")


FIELDS = {
    "x": schema.integer(ge=0),
    "names": schema.tuple_of(schema.text(), min_length=1, max_length=2),
}
strict = schema.parser(Point, strict=True, **FIELDS)
lenient = schema.parser(Point, strict=False, **FIELDS)


def test_fields_with_a_default_may_be_left_out() -> None:
    assert strict({"x": 1}) == Point(1)
    assert strict({"x": 1, "names": ["a"]}) == Point(1, ("a",))


@pytest.mark.parametrize(
    ("given", "place", "kind"),
    [
        ({}, ("x",), "missing"),
        ({"x": 1, "y": 2}, ("y",), "extra_forbidden"),
        ({"x": -1}, ("x",), "greater_than_equal"),
        ({"x": "1"}, ("x",), "int_type"),
        ({"x": 1, "names": []}, ("names",), "too_short"),
        ({"x": 1, "names": ["a", 2]}, ("names", 1), "string_type"),
        ({"x": 13}, (), "value_error"),
        ([], (), "dict_type"),
    ],
)
def test_what_does_not_fit_is_refused_at_its_place(
    given: Any, place: tuple[str | int, ...], kind: str
) -> None:
    with pytest.raises(schema.ValidationError) as refused:
        strict(given)

    (problem,) = refused.value.errors()
    assert (problem["loc"], problem["type"]) == (place, kind)


def test_only_where_it_is_not_strict_a_text_may_be_a_number() -> None:
    assert lenient({"x": "1"}) == Point(1)


def test_a_mapping_takes_whatever_an_object_holds() -> None:
    parse = schema.parser_by(schema.mapping(), strict=True)

    assert parse({"a": [1, {"b": None}]}) == {"a": [1, {"b": None}]}
    with pytest.raises(schema.ValidationError):
        parse([1])
