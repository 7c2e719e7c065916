"""The databases of a directory: those used last are kept open, within the memory they share."""

import time
from pathlib import Path

import apsw
import pytest

from sqlexec import databases as keeping
from sqlexec.databases import Databases
from tests.grants import granted
from tests.sqlexec.conftest import job, rows


@pytest.fixture
def few(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> Databases:
    """Three of them are kept open."""
    monkeypatch.setattr(Databases, "OPEN_MAX", 3)
    return databases


def use(databases: Databases, *names: str) -> None:
    for name in names:
        databases.get(name).write(job("CREATE TABLE IF NOT EXISTS t (n)"), granted())


def connections_of(name: str) -> int:
    return sum(Path(one.filename).stem == name for one in apsw.connections() if one.filename)


def test_a_database_is_the_same_while_it_is_kept_open(databases: Databases) -> None:
    assert databases.get("a") is databases.get("a")
    assert databases.get("a") is not databases.get("b")


def test_the_database_used_longest_ago_is_closed_for_a_new_one(few: Databases) -> None:
    use(few, "a", "b", "c", "a", "d")

    assert [connections_of(name) for name in "abcd"] == [1, 0, 1, 1]
    assert rows(few.get("b"), "SELECT count(*) FROM t") == [(0,)], "and opened again"
    assert connections_of("c") == 0


def test_where_memory_is_not_limited_all_are_kept(databases: Databases) -> None:
    use(databases, "a", "b")

    databases.make_room()

    assert [connections_of(name) for name in "ab"] == [1, 1]


def test_where_too_much_is_kept_all_but_the_last_are_closed(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(databases, "a", "b", "c")
    monkeypatch.setattr(keeping, "keeps_too_much", lambda: True)

    databases.make_room()

    assert [connections_of(name) for name in "abc"] == [0, 0, 1]


def test_pages_are_given_back_before_connections_are_closed(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(databases, "a", "b")
    answers = iter([True, False, False, False, False])
    monkeypatch.setattr(keeping, "keeps_too_much", lambda: next(answers))

    databases.make_room()

    assert [connections_of(name) for name in "ab"] == [1, 1]


def test_memory_is_worth_another_try_only_where_much_was_freed(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(databases, "a")
    assert databases.free_memory() is False
    assert connections_of("a") == 0

    use(databases, "a")
    monkeypatch.setattr(keeping, "FREED_BYTES_MIN", 1)
    assert databases.free_memory() is True


def test_all_are_closed_at_the_end(databases: Databases) -> None:
    use(databases, "a", "b")
    with databases.get("a").interactive.reading(time.time() + 60):
        pass

    databases.close()

    assert [connections_of(name) for name in "ab"] == [0, 0]
