"""Which texts are transaction control, however they are written; all others go to SQLite."""

import pytest

from hrana.control import Control, Verb, control_of, is_empty

CONTROLS = {
    "BEGIN": Control(Verb.BEGIN),
    "begin deferred transaction;": Control(Verb.BEGIN),
    "BEGIN READONLY": Control(Verb.BEGIN, flag=True),
    "COMMIT": Control(Verb.COMMIT),
    "END TRANSACTION": Control(Verb.COMMIT),
    "ROLLBACK": Control(Verb.ROLLBACK),
    "ROLLBACK TRANSACTION TO SAVEPOINT a": Control(Verb.ROLLBACK_TO, "a"),
    "rollback to a": Control(Verb.ROLLBACK_TO, "a"),
    "SAVEPOINT a": Control(Verb.SAVEPOINT, "a"),
    'SAVEPOINT "a ""b"""': Control(Verb.SAVEPOINT, 'a "b"'),
    "SAVEPOINT [a b]": Control(Verb.SAVEPOINT, "a b"),
    "RELEASE SAVEPOINT `a`": Control(Verb.RELEASE, "a"),
    "RELEASE 'a'": Control(Verb.RELEASE, "a"),
    " -- why\n; /* now */ COMMIT -- done\n; ;": Control(Verb.COMMIT),
    "\ufeffCOMMIT": Control(Verb.COMMIT),
    "PRAGMA foreign_keys = ON": Control(Verb.FOREIGN_KEYS, flag=True),
    "pragma Foreign_Keys('off');": Control(Verb.FOREIGN_KEYS, flag=False),
}

OTHERS = (
    "SELECT 'BEGIN'", "COMMIT 1", "BEGIN; SELECT 1", "COMMITTED", "SAVEPOINT", "SAVEPOINT a b",
    "ROLLBACK TO", "RELEASE", "BEGIN SOMEHOW", "PRAGMA foreign_keys", "PRAGMA foreign_keys = 7",
    "PRAGMA foreign_keys = ON; SELECT 1", "PRAGMA foreign_key_list(t)", "", ";", "EXPLAIN COMMIT",
)  # fmt: skip


@pytest.mark.parametrize("sql", CONTROLS)
def test_control_is_known_with_its_name_and_its_flag(sql: str) -> None:
    assert control_of(sql) == CONTROLS[sql]


@pytest.mark.parametrize("sql", OTHERS)
def test_what_sqlite_would_not_take_for_control_is_none(sql: str) -> None:
    assert control_of(sql) is None


def test_a_text_of_many_comments_is_read_in_one_pass() -> None:
    assert control_of("/**/" * 200_000 + "COMMIT") == Control(Verb.COMMIT)
    assert control_of("/**/" * 200_000 + "x") is None


@pytest.mark.parametrize("sql", ["", " \n", ";;", "-- nothing", "/* left open", "\ufeff ; -- x\n"])
def test_space_and_comments_are_empty(sql: str) -> None:
    assert is_empty(sql)


@pytest.mark.parametrize("sql", ["x", "-- a\nx", "'", "/* */ 1"])
def test_what_has_a_word_is_not_empty(sql: str) -> None:
    assert not is_empty(sql)
