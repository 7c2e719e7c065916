"""The hint `did you mean`: the nearest name, if one is near, and never much work."""

import pytest

from sqlatch.kernel.hints import NAME_CHARACTERS_MAX, did_you_mean


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("airline", ["flights", "airlines", "airport"], "airlines"),
        ("AIRLINE", ["Airlines"], "Airlines"),
        ("tabel", ["table", "label"], "table"),
        ("airline", ["airline", "flights"], None),
        ("", ["a"], None),
        ("x", [], None),
        ("zzz", ["airlines"], None),
        ("a" * (NAME_CHARACTERS_MAX + 1), ["a" * NAME_CHARACTERS_MAX], None),
        ("a" * NAME_CHARACTERS_MAX, ["a" * (NAME_CHARACTERS_MAX + 1)], None),
    ],
)
def test_the_nearest_name_is_said_if_one_is_near(
    name: str, known: list[str], meant: str | None
) -> None:
    assert did_you_mean(name, known) == (f"; did you mean {meant}?" if meant else "")


def test_among_many_names_those_of_like_length_are_compared() -> None:
    known = [f"{'t' * (number % 30 + 12)}{number}" for number in range(2_000)]

    assert did_you_mean("flihgts", [*known, "flights"]) == "; did you mean flights?"
