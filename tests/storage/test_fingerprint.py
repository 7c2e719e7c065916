"""Shapes of statements: alike where only values differ, and without any of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.fingerprint import READ_CHARACTERS_MAX, fingerprint

ALIKE = [
    [
        "SELECT * FROM t WHERE a = 'x' AND b = 12.5e-3 LIMIT 0x1F",
        "select  *\nfrom t where a='it''s' and b=? /* one */ -- two\n limit :few ;",
        "/* three */ SELECT * FROM t WHERE a = x'ab' AND b = .5 LIMIT @few;;",
    ],
    [
        "INSERT INTO t VALUES (1, 'a'), (2, NULL), (3, 'c')".replace("NULL", "?"),
        "insert into t values (?,?)".replace("?,?", "?1, $a::b(c)"),
    ],
    ["SELECT a FROM t WHERE a IN (1, 2, 3)", "SELECT a FROM t WHERE a IN (:a, :b)"],
    ['SELECT "t"."a" FROM "t" WHERE b = "x"', 'SELECT "t"."a" FROM "t" WHERE b = 7'],
    ["SELECT 'not ended", 'SELECT "not ended', "SELECT 1"],
]


@pytest.mark.parametrize("texts", ALIKE, ids=lambda texts: texts[0])
def test_texts_that_differ_in_values_space_and_case_have_one_shape(texts: list[str]) -> None:
    assert len({fingerprint(text) for text in texts}) == 1


DIFFERENT = [
    "SELECT a FROM t", "SELECT b FROM t", 'SELECT a FROM "u"', "SELECT a FROM t WHERE a = 1",
    "SELECT a FROM t WHERE a > 1", "SELECT a FROM t WHERE a IS NULL", "DELETE FROM t",
    "SELECT a -> 1 FROM t", "SELECT a ->> 1 FROM t",
]  # fmt: skip


def test_texts_that_do_something_else_have_another_shape() -> None:
    assert len({fingerprint(text)[0] for text in DIFFERENT}) == len(DIFFERENT)


def test_a_shape_can_be_read() -> None:
    text = 'select u."name", count(*) from "user" u where u.id in (1,2) and x = "secret" group by 1'

    assert fingerprint(text)[1] == (
        'SELECT u."name", count (*) FROM "user" u WHERE u.id IN (?,...) AND x = ? GROUP BY ?'
    )


SECRET = "hidden"
PLACES = [
    "SELECT '{}'", 'SELECT "{}"', "SELECT x'{}'", "SELECT 1 -- {}", "SELECT 1 /* {} */",
    "SELECT :{}", "SELECT @{}", "SELECT ${}::a({})", "SELECT 'a''{}'", 'SELECT "a""{}"',
    "SELECT 1 /* {}", "SELECT '{}", "SELECT 1{}", "SELECT 0x{}", "SELECT ?1, #{}",
    'INSERT INTO t ("{}") VALUES (1)', "PRAGMA user_version = '{}'",
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_a_shape_has_nothing_of_values_comments_and_names_of_parameters(place: str) -> None:
    assert SECRET not in "".join(fingerprint(place.replace("{}", SECRET))).lower()


@given(st.text(max_size=30), st.sampled_from(["'", '"']))
def test_whatever_is_quoted_is_cut(value: str, quote: str) -> None:
    quoted = quote + value.replace(quote, quote * 2) + quote

    assert fingerprint(f"SELECT a FROM t WHERE a = {quoted} AND b") == fingerprint(
        "SELECT a FROM t WHERE a = 1 AND b"
    )


def test_of_a_long_text_the_beginning_is_read() -> None:
    cut_within_a_value = f"SELECT {'1 ' * (READ_CHARACTERS_MAX // 2 - 10)}, '{SECRET * 99}'"

    assert SECRET not in fingerprint(cut_within_a_value)[1]
