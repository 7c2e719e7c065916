"""A log that was removed and made again under its name, behind instances that have a copy of it."""

import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from itertools import count
from pathlib import Path
from typing import Any

import apsw
import pytest

from sqlatch.kernel.errors import StorageError
from storage.log.engine import InLog
from storage.log.log import Gone, InDoubt
from storage.log.store import Store
from storage.translate import DatabaseReplaced
from tests.grants import granted
from tests.storage.log.logs import (
    DEADLINE_S,
    OTHER_ID,
    OURS,
    commit,
    everything,
    fences,
    log_in,
    ready,
)


def removed(root: Path) -> None:
    shutil.rmtree(root.parent)


@pytest.mark.parametrize("records", [0, 1, 2, 3])
def test_who_has_a_segment_open_sees_that_its_log_is_no_more(root: Path, records: int) -> None:
    reader, writer = log_in(root), log_in(root)
    commit(writer, b"old one", b"old two")
    reader.sync(DEADLINE_S)
    removed(root)
    if records:
        commit(log_in(root), *[b"new"] * records)

    with pytest.raises(Gone):
        reader.sync(DEADLINE_S)
    with pytest.raises(Gone):
        ready(writer)
    with pytest.raises(Gone):
        ready(writer, seal=True)
    assert everything(root) == [(txid, b"new") for txid in range(1, records + 1)]


@pytest.mark.parametrize("records", [0, 1, 2, 3])
def test_what_is_appended_to_a_log_that_is_no_more_is_not_acknowledged(
    root: Path, records: int
) -> None:
    writer = log_in(root)
    commit(writer, b"old one", b"old two")
    removed(root)
    if records:
        commit(log_in(root), *[b"new"] * records)

    with pytest.raises(InDoubt):
        writer.append(OTHER_ID, b"three")
    with pytest.raises((Gone, StorageError)):
        writer.outcome(3, OTHER_ID, DEADLINE_S)
    assert everything(root) == [(txid, b"new") for txid in range(1, records + 1)]


def write(store: Store, *texts: str) -> None:
    with store.write(granted(fence=next(fences)), creates=True) as transaction:
        for sql in texts:
            transaction.connection.run(sql)
        transaction.commit()


def read(store: Store) -> list[Any]:
    return [n for (n,) in store.snapshot(time.time() + 60).run("SELECT n FROM t")]


def made(path: Path) -> Path:
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("CREATE TABLE t (n)")
    return path


@pytest.fixture
def engine(logs: Path, tmp_path: Path) -> Callable[[], InLog]:
    numbers = count()

    def one_more() -> InLog:
        (copies := tmp_path / f"copies-{next(numbers)}").mkdir()
        return InLog(logs, copies)

    return one_more


def opened(engine: InLog) -> AbstractContextManager[Store]:
    return closing(engine.open("main", table=OURS, now=time.time))


def test_instances_with_a_copy_see_a_directory_that_was_made_again(
    logs: Path, engine: Callable[[], InLog]
) -> None:
    with opened(engine()) as one, opened(engine()) as other:
        write(one, "CREATE TABLE t (n)", "INSERT INTO t VALUES (1)")
        write(one, "INSERT INTO t VALUES (2)")
        assert read(other) == [1, 2]
        shutil.rmtree(logs / "main")

        with pytest.raises(DatabaseReplaced):
            read(other)
        write(other, "CREATE TABLE t (n)", "INSERT INTO t VALUES (9)")

        assert read(other) == read(one) == [9]
        write(one, "INSERT INTO t VALUES (10)")
        assert read(other) == read(one) == [9, 10]


def test_a_database_does_not_begin_beside_the_files_of_another_log(
    logs: Path, engine: Callable[[], InLog], tmp_path: Path
) -> None:
    """Behind its record of their number they would be taken for its own."""
    with opened(engine()) as store, opened(engine()) as late:
        assert not late.exists()
        write(store, "CREATE TABLE t (n)")
        engine().tend("main", time.time() + 60)
        shutil.rmtree(logs / "main" / "log")

        with pytest.raises(StorageError, match="no snapshot that it continues"):
            write(late, "CREATE TABLE t (n)")
        for each in (late, store):
            with pytest.raises(StorageError, match="no snapshot that it continues"):
                read(each)
    with pytest.raises(StorageError, match="belong to another log"):
        engine().add("main", made(tmp_path / "new.db"))
    assert engine().names() == []


@pytest.mark.parametrize("rows", [1, 5])
def test_a_copy_that_began_with_a_snapshot_knows_its_log(
    logs: Path, engine: Callable[[], InLog], tmp_path: Path, rows: int
) -> None:
    """It has read no record of it, and the next process goes on with it."""
    with opened(engine()) as store:
        write(store, "CREATE TABLE t (n)", "INSERT INTO t VALUES (1)")
        write(store, "INSERT INTO t VALUES (2)")
        engine().tend("main", time.time() + 60)
    copies = tmp_path / "copies"
    copies.mkdir()
    with opened(InLog(logs, copies)) as copy:
        assert read(copy) == [1, 2]
    shutil.rmtree(logs / "main")
    with opened(engine()) as new:
        write(new, "CREATE TABLE t (n)")
        for n in range(rows):
            write(new, f"INSERT INTO t VALUES ({n + 10})")
        with opened(InLog(logs, copies)) as copy:
            assert read(copy) == read(new)
