"""A file in place copied out, in and over, by SQLite's own backup."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from sqlatch.kernel.errors import BadEvent, DatabaseCorrupt, DatabaseNotFound
from storage.connection import Session
from storage.engine import Grant, KeepsChanging
from storage.inplace import copies
from tests.grants import granted


@pytest.fixture
def live(tmp_path: Path) -> Path:
    """A database of some pages, with a row."""
    path = tmp_path / "live.db"
    make(path, 1)
    return path


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "copy.db"


@pytest.fixture
def reader(live: Path) -> Iterator[Session]:
    flags = apsw.SQLITE_OPEN_READONLY
    with closing(
        Session("live", live, flags=flags, now=time.time, deadline_s=time.time() + 600)
    ) as session:
        yield session


def make(path: Path, number: int) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"CREATE TABLE t AS SELECT {number} AS n")
        connection.execute("CREATE TABLE filling AS SELECT zeroblob(200000)")


def number_in(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        ((number,),) = connection.execute("SELECT n FROM t").fetchall()
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    return int(number)


def grant(events: list[str] | None = None) -> Grant:
    check = (lambda: None) if events is None else (lambda: events.append("checked"))
    return granted(check)


def test_a_copy_is_whole(live: Path, copy: Path, reader: Session) -> None:
    copies.copy_out(lambda: reader, copy)

    assert number_in(copy) == 1


def test_a_copy_of_many_steps_begins_again_where_another_commits(
    live: Path, copy: Path, reader: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "STEP_PAGES", 10)
    steps = 0

    def reading() -> Session:
        nonlocal steps
        steps += 1
        if steps == 3:
            update(live)
        return reader

    copies.copy_out(reading, copy)

    assert number_in(copy) == 2, "one state, the newest"


def test_a_database_that_keeps_changing_is_not_copied_for_ever(
    live: Path, copy: Path, reader: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "STEP_PAGES", 10)
    steps = 0

    def reading() -> Session:
        nonlocal steps
        steps += 1
        update(live)
        return reader

    with pytest.raises(KeepsChanging):
        copies.copy_out(reading, copy)

    assert steps < 3 * copies.RESTARTS_MAX


def update(live: Path) -> None:
    with closing(sqlite3.connect(live)) as connection, connection:
        connection.execute("UPDATE t SET n = n + 1")


def test_a_database_that_arrives_is_there_under_its_name(copy: Path, tmp_path: Path) -> None:
    make(copy, 5)

    copies.bring_in(copy, tmp_path / "new.db")

    assert number_in(tmp_path / "new.db") == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.db", "new.db"]


def test_a_database_that_exists_is_not_replaced_by_one_that_arrives(copy: Path, live: Path) -> None:
    make(copy, 5)

    with pytest.raises(BadEvent, match="the database 'live' exists"):
        copies.bring_in(copy, live)

    assert number_in(live) == 1
    assert sorted(path.name for path in live.parent.iterdir()) == ["copy.db", "live.db"]


def test_what_is_no_database_does_not_arrive(copy: Path, tmp_path: Path) -> None:
    copy.write_bytes(b"no database" * 1000)

    with pytest.raises(DatabaseCorrupt):
        copies.bring_in(copy, tmp_path / "new.db")

    assert [path.name for path in tmp_path.iterdir()] == ["copy.db"]


def test_the_content_is_replaced_after_the_check_of_the_grant(copy: Path, live: Path) -> None:
    make(copy, 5)
    events: list[str] = []

    copies.write_over(copy, live, grant(events))

    assert (events, number_in(live)) == (["checked"], 5)
    assert live.with_name("live.db-journal").exists(), "kept, as by every writer"


def test_a_grant_that_has_ended_replaces_nothing(copy: Path, live: Path) -> None:
    make(copy, 5)

    def ended() -> None:
        raise DatabaseNotFound("the grant has ended")

    with pytest.raises(DatabaseNotFound):
        copies.write_over(copy, live, granted(ended))

    assert number_in(live) == 1


def test_a_symbolic_link_is_not_written_over(copy: Path, live: Path) -> None:
    make(copy, 5)
    link = live.with_name("link.db")
    link.symlink_to(live)

    with pytest.raises(Exception, match="link"):
        copies.write_over(copy, link, grant())

    assert number_in(live) == 1
