"""The names of parameters as the client wrote them, and the values that each of them gets."""

from typing import Any

import pytest

from hrana.parameters import bind, names_of
from hrana.protocol import Stmt
from hrana.refusals import StatementRefused

NAMES: dict[str, tuple[list[str | None], list[str | None]]] = {
    "SELECT ?, :a, @b, $c": ([None, "a", "b", "c"], [None, ":a", "@b", "$c"]),
    "SELECT ?2, ?1": (["1", "2"], ["?1", "?2"]),
    "SELECT ?3": ([None, None, "3"], [None, None, "?3"]),
    "SELECT :a, :a": (["a"], [":a"]),
    "SELECT ':x', \"@y\", -- $z\n :a": (["a"], [":a"]),
    "SELECT $a::b(c)": (["a::b(c)"], ["$a::b(c)"]),
    "what is read here is not what SQLite read :x": (["y"], [":y"]),
}


@pytest.mark.parametrize("sql", NAMES)
def test_names_have_the_prefix_that_was_written(sql: str) -> None:
    bare, prefixed = NAMES[sql]

    assert names_of(sql, bare) == prefixed


def stmt(args: list[Any] | None = None, **named: Any) -> Stmt:
    values = [{"name": name, "value": integer(value)} for name, value in named.items()]
    return Stmt.model_validate({"args": [*map(integer, args or [])], "named_args": values})


def integer(value: int) -> dict[str, str]:
    return {"type": "integer", "value": str(value)}


def test_values_are_found_by_prefixed_name_by_bare_name_and_by_place() -> None:
    names = [":a", "@b", None]

    assert bind(names, stmt([1, 2, 3])) == [1, 2, 3]
    assert bind(names, stmt([1, 2, 3], **{"@b": 7})) == [1, 7, 3]
    assert bind(names, stmt([1, 2, 3], a=8, b=9)) == [8, 9, 3]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (stmt([1, 2, 3]), "the statement has 2 parameters, 3 were given"),
        (stmt([1]), "parameter 2 was not given"),
        (stmt([1, 2], coutn=1), "the statement has no parameter 'coutn'; did you mean :count?"),
    ],
)
def test_values_that_do_not_fit_are_refused(given: Stmt, why: str) -> None:
    with pytest.raises(StatementRefused) as refused:
        bind([":count", None], given)

    assert refused.value.body() == {"message": why, "code": "ARGS_INVALID"}
