"""One file in place, beside the contract of engines: files that move, journals, WAL, commits."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import apsw
import pytest

from sqlatch.kernel.errors import StorageError
from storage.connection import Session
from storage.engine import Table
from storage.inplace.files import Files
from storage.inplace.store import IDENTITY_CHECKED_EVERY_S, Store
from storage.pins import Pins
from storage.translate import DatabaseReplaced, RecoveryNeeded
from tests.grants import granted

TABLE = Table("ours", "CREATE TABLE IF NOT EXISTS ours (a)")


@dataclass
class Now:
    """A clock that the test sets."""

    now_s: float

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def now() -> Now:
    return Now(time.time())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "main.db"


@pytest.fixture
def store(tmp_path: Path, now: Now) -> Iterator[Store]:
    """A store whose file has a row, and whose reader is open."""
    with closing(Store("main", Files(tmp_path), table=TABLE, now=now)) as store:
        write(store, "CREATE TABLE t AS SELECT 1 AS n")
        assert read(store) == [(1,)]
        yield store


def write(store: Store, sql: str) -> None:
    with store.write(granted(), creates=True) as transaction:
        transaction.connection.run(sql)
        transaction.commit()


def read(store: Store) -> list[object]:
    return [*store.snapshot(time.time() + 600).run("SELECT n FROM t")]


def another_file(path: Path, number: int) -> None:
    """Put another database under the name."""
    other = path.with_name("other.db")
    with closing(sqlite3.connect(other)) as connection, connection:
        connection.execute(f"CREATE TABLE t AS SELECT {number} AS n")
    other.replace(path)


@pytest.mark.parametrize("passed_s", [IDENTITY_CHECKED_EVERY_S, -IDENTITY_CHECKED_EVERY_S, -3600])
def test_a_file_that_was_replaced_is_noticed_after_a_second_whichever_way_the_clock_went(
    store: Store, path: Path, now: Now, passed_s: float
) -> None:
    assert store.exists()
    another_file(path, 2)
    assert store.exists()
    assert read(store) == [(1,)], "not looked at yet"

    now.now_s += passed_s
    assert store.exists()

    assert read(store) == [(2,)]


def test_a_file_that_was_removed_is_gone_at_once_where_that_is_asked(
    store: Store, path: Path
) -> None:
    assert store.exists()
    path.unlink()

    assert store.exists()
    assert not store.exists(at_once=True)


def test_a_write_goes_to_the_file_that_is_there_now(store: Store, path: Path) -> None:
    another_file(path, 2)

    write(store, "INSERT INTO t VALUES (3)")

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT n FROM t").fetchall() == [(2,), (3,)]


def test_a_reader_is_not_given_a_file_without_a_journal(store: Store, path: Path) -> None:
    journal = path.with_name("main.db-journal")
    assert journal.exists(), "kept between transactions"
    journal.unlink()

    with pytest.raises(RecoveryNeeded, match="no journal"):
        store.snapshot(time.time() + 600)
    assert store.recover(granted()) is False
    assert journal.exists()
    assert read(store) == [(1,)]


def test_a_file_in_wal_mode_is_taken_out_of_it_before_it_is_read(
    tmp_path: Path, store: Store, path: Path
) -> None:
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("UPDATE t SET n = 5")
        connection.commit()

    with pytest.raises(RecoveryNeeded):
        read(store)
    store.recover(granted())

    assert read(store) == [(5,)]
    assert not Files(tmp_path).is_wal("main")


def test_what_is_not_there_is_moved_unless_it_may_be_created(tmp_path: Path, now: Now) -> None:
    with closing(Store("new", Files(tmp_path), table=TABLE, now=now)) as new:
        with pytest.raises(DatabaseReplaced):
            new.snapshot(time.time() + 600)
        with pytest.raises(DatabaseReplaced), new.write(granted()):
            raise AssertionError("was begun")
        assert not (tmp_path / "new.db").exists()

        write(new, "CREATE TABLE t AS SELECT 7 AS n")
        assert read(new) == [(7,)]


def test_pages_are_written_at_the_commit_and_no_sooner(store: Store, path: Path) -> None:
    before = path.stat().st_size

    with store.write(granted()) as transaction:
        transaction.connection.run("CREATE TABLE big (n)")
        for _row in range(5):
            transaction.connection.run("INSERT INTO big VALUES (zeroblob(4000000))")
        assert path.stat().st_size == before
        transaction.commit()

    assert path.stat().st_size > before + 19_000_000


def test_a_commit_that_failed_is_of_unknown_outcome_and_closes_the_connection(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = Session.finish

    def failing(session: Session, sql: str) -> None:
        if sql == "COMMIT":
            raise StorageError("disk I/O error")
        finish(session, sql)

    def commit() -> None:
        with store.write(granted()) as transaction:
            transaction.connection.run("INSERT INTO t VALUES (2)")
            monkeypatch.setattr(Session, "finish", failing)
            transaction.commit()

    with pytest.raises(StorageError) as refused:
        commit()

    monkeypatch.undo()
    assert refused.value.facts["outcome"] == "unknown"
    assert str(tmp_path / "main.db") not in {one.filename for one in apsw.connections()}


def test_pinned_connections_are_others_of_the_same_file(store: Store) -> None:
    with closing(Pins()) as pins, closing(store.pinned(pins)) as pinned:
        pins.pin(0, b"s")

        assert read(pinned) == [(1,)]
        assert pinned.snapshot(time.time() + 60) is not store.snapshot(time.time() + 60)
