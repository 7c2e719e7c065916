"""A file that is deleted while others have it open, or whose deleter dies in the middle."""

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sqlatch.kernel.errors import BadEvent, DatabaseBusy
from storage.inplace import removal
from storage.inplace.engine import InPlace
from storage.inplace.files import Files
from storage.inplace.store import Store
from storage.translate import DatabaseReplaced
from tests.journal import leave_in_mid_commit
from tests.storage.test_contract import COUNT, OURS, TABLE, granted, read, write
from tests.storage.test_contract_of_removal import ignored


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(opened(tmp_path)) as store:
        write(store, TABLE)
        yield store


def opened(directory: Path) -> Store:
    return InPlace(directory).open("main", table=OURS, now=time.time)


@pytest.fixture
def stale(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Another instance, whose NFS client shows the name as it was when it opened the file."""
    files = Files(tmp_path)
    identity = files.identity("main")
    with closing(Store("main", files, table=OURS, now=time.time)) as stale:
        write(stale, "INSERT INTO t VALUES (1)")
        monkeypatch.setattr(files, "identity", lambda _name: identity)
        yield stale


def test_who_does_not_see_yet_that_the_file_is_gone_cannot_write_to_it(
    store: Store, stale: Store, tmp_path: Path
) -> None:
    """SQLite asks for the name too, and an NFS client would answer it from its memory."""
    kept = store.remove(granted(), ignored)
    os.link(tmp_path / ".deleted" / f"{kept}.db", tmp_path / "main.db")

    with pytest.raises(DatabaseReplaced):
        write(stale, "INSERT INTO t VALUES (2)")
    with pytest.raises(DatabaseReplaced):
        stale.vacuum("VACUUM", granted())

    (tmp_path / "main.db").unlink()
    store.bring_back(kept, granted())
    store.recover(granted())
    assert read(store, "SELECT n FROM t") == [(1,)]


def test_without_the_mark_what_is_written_late_would_be_lost(
    store: Store, stale: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "check_not_marked", lambda _session: None)
    kept = store.remove(granted(), ignored)
    os.link(tmp_path / ".deleted" / f"{kept}.db", tmp_path / "main.db")

    write(stale, "INSERT INTO t VALUES (2)")


class Died(BaseException):
    """The process was killed."""


@pytest.mark.parametrize("dies_at", ["move_away", "_sync"])
def test_a_deletion_that_died_in_the_middle_is_ended_by_the_next(
    dies_at: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_arguments: object) -> str:
        raise Died

    with monkeypatch.context() as patched:
        patched.setattr(removal, dies_at, die)
        with pytest.raises(Died):
            store.remove(granted(), ignored)

    with closing(opened(tmp_path)) as another:
        is_there = another.exists(at_once=True)
        assert is_there == (dies_at == "move_away")
        if is_there:
            assert read(another, COUNT) == [(0,)]
            with pytest.raises(DatabaseReplaced):
                write(another, "INSERT INTO t VALUES (1)")
            another.remove(granted(), never)
        assert not another.exists(at_once=True)
    assert len(list((tmp_path / ".deleted").glob("*.db"))) == 1


def test_who_deletes_later_than_its_lease_moves_nothing_that_others_have_made(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is frozen between its last check and the move."""
    move_away = removal.move_away

    def move_late(*arguments: Any) -> str:
        monkeypatch.undo()
        with closing(opened(tmp_path)) as another:
            another.remove(granted(), ignored)
            write(another, TABLE, "INSERT INTO t VALUES (7)")
        return move_away(*arguments)

    monkeypatch.setattr(removal, "move_away", move_late)

    with pytest.raises(DatabaseReplaced):
        store.remove(granted(), ignored)

    assert read(store, "SELECT n FROM t") == [(7,)]
    write(store, "INSERT INTO t VALUES (8)")
    assert len(list((tmp_path / ".deleted").glob("*.db"))) == 1


def test_what_is_brought_back_later_than_the_lease_replaces_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = store.remove(granted(), ignored)
    with closing(opened(tmp_path)) as another:

        def link_late(*arguments: Any) -> None:
            monkeypatch.undo()
            write(another, TABLE, "INSERT INTO t VALUES (7)")
            removal._link(*arguments)

        monkeypatch.setattr(removal, "_link", link_late)
        with pytest.raises(BadEvent, match="exists"):
            store.bring_back(kept, granted())
        assert read(another, "SELECT n FROM t") == [(7,)]

    assert (tmp_path / ".deleted" / f"{kept}.db").exists()


def test_of_two_who_bring_one_database_back_under_two_names_one_does(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has the lease of its own name. One file under two names has two journals."""
    kept = store.remove(granted(), ignored)
    engine = InPlace(tmp_path)
    monkeypatch.setattr(removal, "BUSY_TIMEOUT_MS", 1)
    with closing(engine.open("second", table=OURS, now=time.time)) as second:

        def link_late(*arguments: Any) -> None:
            monkeypatch.undo()
            monkeypatch.setattr(removal, "BUSY_TIMEOUT_MS", 1)
            with pytest.raises(DatabaseBusy):
                second.bring_back(kept, granted())
            removal._link(*arguments)

        monkeypatch.setattr(removal, "_link", link_late)
        store.bring_back(kept, granted())
        with pytest.raises(BadEvent, match="is kept as"):
            second.bring_back(kept, granted())

    assert engine.names() == ["main"]


def test_one_that_came_back_under_a_name_does_not_come_back_under_another(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process died between the two steps of the move."""
    kept = store.remove(granted(), ignored)

    def die(*_arguments: object, **_options: object) -> None:
        raise Died

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", die)
        with pytest.raises(Died):
            store.bring_back(kept, granted())

    engine = InPlace(tmp_path)
    second = engine.open("second", table=OURS, now=time.time)
    with closing(second), pytest.raises(BadEvent, match="is kept as"):
        second.bring_back(kept, granted())
    assert engine.names() == ["main"]
    store.recover(granted())
    assert read(store, COUNT) == [(0,)]
    assert list((tmp_path / ".deleted").iterdir()) == []


@pytest.mark.parametrize("comes", ["bring back", "add"])
def test_nothing_comes_to_a_name_that_has_the_journal_of_another_file(
    comes: str, store: Store, tmp_path: Path
) -> None:
    """SQLite would roll its pages back into the file."""
    write(store, "WITH RECURSIVE i (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM i LIMIT 2000)"
          " INSERT INTO t SELECT n FROM i")  # fmt: skip
    kept = store.remove(granted(), ignored)
    copy = tmp_path / "copy.db"
    shutil.copyfile(tmp_path / ".deleted" / f"{kept}.db", copy)
    with closing(sqlite3.connect(tmp_path / "main.db", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE big (n)")
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO big VALUES (?)", [(n,) for n in range(20_000)])
        connection.execute("COMMIT")
    leave_in_mid_commit(tmp_path / "main.db", "UPDATE big SET n = n + 1")
    (tmp_path / "main.db").unlink()

    def come() -> None:
        if comes == "add":
            InPlace(tmp_path).add("main", copy)
        else:
            store.bring_back(kept, granted())

    with pytest.raises(BadEvent, match="journal"):
        come()

    (tmp_path / "main.db-journal").unlink()
    store.bring_back(kept, granted())
    store.recover(granted())
    assert read(store, "PRAGMA integrity_check") == [("ok",)]
    assert read(store, COUNT) == [(2000,)]


def test_a_deletion_that_a_reader_is_in_the_way_of_is_refused_and_leaves_no_mark(
    store: Store, tmp_path: Path
) -> None:
    with closing(opened(tmp_path)) as other:
        reader = other.snapshot(time.time() + 60)
        with reader.transaction("BEGIN"):
            soon = replace(granted(), deadline_s=time.time() + 0.2)
            with pytest.raises(DatabaseBusy):
                store.remove(soon, ignored)

    write(store, "INSERT INTO t VALUES (1)")


def test_the_journal_of_one_that_died_while_it_came_back_is_forgotten_too(
    store: Store, tmp_path: Path
) -> None:
    kept = store.remove(granted(), ignored)
    journal = tmp_path / ".deleted" / f"{kept}.db-journal"
    journal.write_bytes(b"")
    store.bring_back(kept, granted())
    journal.write_bytes(b"")

    assert InPlace(tmp_path).forget_deleted(time.time() + 3600) == 0
    assert not journal.exists()


def never(_state: str) -> None:
    raise AssertionError("what is marked was decided before")


def test_only_what_is_kept_for_long_enough_is_forgotten(store: Store, tmp_path: Path) -> None:
    kept = store.remove(granted(), ignored)
    stranger = tmp_path / ".deleted" / "mine.db"
    stranger.write_bytes(b"")
    engine = InPlace(tmp_path)

    assert engine.forget_deleted(time.time() - 3600) == 0
    assert (tmp_path / ".deleted" / f"{kept}.db").exists()
    assert engine.forget_deleted(time.time() + 3600) == 1
    assert [path.name for path in (tmp_path / ".deleted").iterdir()] == ["mine.db"]
    assert engine.names() == []
