"""A database that comes whole: what it takes in memory, and what a crash or a race leaves of it."""

import os
import shutil
import time
import tracemalloc
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import apsw
import pytest

from sqlatch.kernel.errors import BadEvent, LeaseLost, StorageError
from storage.log import copy_file, hydration
from storage.log.archive import Archive
from storage.log.chain import Chain
from storage.log.directory import DirectoryLog
from storage.log.engine import InLog
from storage.log.segment import Segment
from storage.log.store import Store
from tests.grants import granted
from tests.storage.log.logs import OURS, fences, log_in, ready
from tests.storage.log.test_compaction_crashes import DIED, exit_of, forked

CALLS = (
    "open", "pwrite", "ftruncate", "fsync", "link", "mkdir", "rename", "replace", "unlink", "utime",
)  # fmt: skip
"""Each is a step of a replacement; the process dies before one, or behind it."""

LARGE_BYTES = 24 * 1024 * 1024
MEMORY_BYTES_MAX = 6 * 1024 * 1024
"""Two buffers of 1 MiB, and the index of the snapshot; the database would be four times that."""


def copy_of(path: Path, text: str, *, page_size: int = 4096, rows: int = 40) -> Path:
    """A file of some rows of that text."""
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute(f"PRAGMA page_size = {page_size}; CREATE TABLE t (n, text)")
        connection.execute(
            "WITH RECURSIVE i (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM i WHERE n < ?)"
            " INSERT INTO t SELECT n, ? FROM i",
            (rows, text),
        )
    return path


def opened(engine: InLog, name: str = "main") -> Store:
    return engine.open(name, table=OURS, now=time.time)


def texts(store: Store) -> Any:
    session = store.snapshot(time.time() + 60)
    assert session.run("PRAGMA integrity_check") == [("ok",)]
    return session.run("SELECT DISTINCT text, count(*) FROM t GROUP BY 1 ORDER BY 1")


def write(store: Store, *sql: str) -> None:
    grant = granted(fence=next(fences))
    with store.write(grant, creates=True) as transaction:
        for each in sql:
            transaction.connection.run(each)
        transaction.commit()


def replace(store: Store, copy: Path) -> None:
    store.replace(copy, granted(fence=next(fences)))


@pytest.fixture
def engine(logs: Path, tmp_path: Path) -> Callable[[], InLog]:
    return lambda: InLog(logs, tmp_path / "copies")


OLD, NEW = [("old", 40)], [("new", 7)]


def test_a_replacement_is_seen_by_every_instance_and_written_behind(
    engine: Callable[[], InLog], tmp_path: Path
) -> None:
    first, second = engine(), engine()
    first.add("main", copy_of(tmp_path / "old.db", "old"))
    new = copy_of(tmp_path / "new.db", "new", page_size=1024, rows=7)
    with closing(opened(first)) as one, closing(opened(second)) as other:
        write(one, "DELETE FROM t WHERE n = 1")
        assert texts(one) == texts(other) == [("old", 39)]

        replace(one, new)

        assert texts(other) == NEW
        write(other, "INSERT INTO t VALUES (8, 'more')")
        assert texts(one) == texts(other) == [("more", 1), *NEW]
        assert one.position == other.position == 4
        replace(other, tmp_path / "old.db")
        replace(other, new)
        assert texts(one) == NEW
        first.tend("main", time.time() + 60)
        write(one, "DELETE FROM t")
        first.tend("main", time.time() + 60)
    with closing(opened(engine())) as late:
        assert texts(late) == []


def dying(step: int, *, behind: bool, work: Callable[[], object]) -> None:
    """Do something, and end this process at one of the system calls that it makes."""
    left = step

    def counted(call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0 and not behind:
            os._exit(DIED)
        result = call(*arguments, **options)
        if left < 0:
            os._exit(DIED)
        return result

    for name in CALLS:
        setattr(os, name, partial(counted, getattr(os, name)))
    work()


@pytest.mark.parametrize("behind", [False, True])
def test_a_replacement_that_dies_at_any_step_leaves_the_old_database_or_the_new(
    tmp_path: Path, *, behind: bool
) -> None:
    logs, copies = tmp_path / "logs", tmp_path / "copies"
    old, new = copy_of(tmp_path / "old.db", "old"), copy_of(tmp_path / "new.db", "new", rows=7)
    left = set()
    for step in count():
        for directory in (logs, copies):
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir()
        engine = InLog(logs, copies)
        engine.add("main", old)
        engine.tend("main", time.time() + 60)
        bystander = InLog(logs, copies)
        with closing(opened(bystander)) as other:
            assert texts(other) == OLD
            # Of the parent: a child would share its locks.
            del engine

            def work() -> None:
                replace(opened(InLog(logs, copies)), new)

            status = exit_of(forked(partial(dying, step, behind=behind, work=work)))
            found = texts(other)
            assert found in (OLD, NEW)
            assert status == DIED or found == NEW
            left.add(found[0][0])
            other.recover(granted(fence=next(fences)))
            write(other, "DELETE FROM t WHERE n = 1")
        with closing(opened(InLog(logs, copies))) as third:
            assert texts(third) == [(found[0][0], found[0][1] - 1)]
        if status != DIED:
            break

    assert step > 20
    assert left == {"old", "new"}


@pytest.mark.parametrize("behind", [False, True])
def test_an_addition_that_dies_at_any_step_leaves_the_whole_database_or_none(
    tmp_path: Path, *, behind: bool
) -> None:
    logs, copies = tmp_path / "logs", tmp_path / "copies"
    new = copy_of(tmp_path / "new.db", "new", rows=7)
    for step in count():
        for directory in (logs, copies):
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir()

        def work() -> None:
            InLog(logs, copies).add("main", new)

        status = exit_of(forked(partial(dying, step, behind=behind, work=work)))
        again = InLog(logs, copies)
        with closing(opened(again)) as store:
            if store.exists(at_once=True):
                with pytest.raises(BadEvent, match="exists"):
                    again.add("main", new)
            else:
                again.add("main", new)
        with closing(opened(again)) as store:
            assert texts(store) == NEW
        if status != DIED:
            break

    assert step > 15


def test_a_tending_takes_in_what_the_log_goes_on_behind(
    engine: Callable[[], InLog], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = engine()
    first.add("main", copy_of(tmp_path / "old.db", "old"))

    def fail(_self: Archive, _base: bytes) -> None:
        raise StorageError("the directory does not answer")

    with monkeypatch.context() as patch, closing(opened(first)) as store:
        patch.setattr(Archive, "adopt", fail)
        replace(store, copy_of(tmp_path / "new.db", "new", rows=7))
        assert store.position == 2
    engine().tend("main", time.time() + 60)

    with closing(opened(engine())) as store:
        assert texts(store) == NEW


def test_of_two_that_add_to_an_empty_log_the_first_has_its_own_content(
    engine: Callable[[], InLog], logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = log_in(logs / "main" / "log")
    ready(waiting)
    begin = DirectoryLog.begin

    def later(self: DirectoryLog, *arguments: Any, **options: Any) -> None:
        monkeypatch.undo()
        engine().add("main", copy_of(tmp_path / "new.db", "new", rows=7))
        begin(self, *arguments, **options)

    monkeypatch.setattr(DirectoryLog, "begin", later)

    with pytest.raises(BadEvent, match="exists"):
        engine().add("main", copy_of(tmp_path / "old.db", "old"))

    with closing(opened(engine())) as store:
        assert texts(store) == NEW


def test_a_replacement_whose_place_another_has_taken_is_refused(
    engine: Callable[[], InLog], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was frozen before its seal, and whose lease was taken over, leaves nothing."""
    first, second = engine(), engine()
    first.add("main", copy_of(tmp_path / "old.db", "old"))
    seal = Chain.seal

    def later(*arguments: Any, **options: Any) -> None:
        monkeypatch.undo()
        with closing(opened(second)) as other:
            write(other, "DELETE FROM t WHERE n = 1")
        seal(*arguments, **options)

    with closing(opened(first)) as store:
        assert texts(store) == OLD
        monkeypatch.setattr(Chain, "seal", later)
        with pytest.raises(LeaseLost):
            replace(store, copy_of(tmp_path / "new.db", "new", rows=7))
        assert texts(store) == [("old", 39)]
    with closing(opened(second)) as other:
        assert texts(other) == [("old", 39)]


def test_a_whole_database_is_added_replaced_and_read_in_flat_memory(
    engine: Callable[[], InLog], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy_file, "LAZY_BYTES_MIN", 0)
    monkeypatch.setattr(hydration, "AHEAD_BYTES_MAX", 1024 * 1024)
    large = copy_of(tmp_path / "large.db", "x" * 2_000, rows=LARGE_BYTES // 2_000)
    first, second = engine(), engine()

    tracemalloc.start()
    try:
        first.add("main", large)
        with closing(opened(first)) as store, closing(opened(second)) as other:
            replace(store, large)
            other.snapshot(time.time() + 60).run("SELECT text FROM t WHERE rowid = 7")
            other.copy_out(tmp_path / "copied.db", time.time() + 60)
        first.tend("main", time.time() + 60)
        _now, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert large.stat().st_size > LARGE_BYTES
    assert most < MEMORY_BYTES_MAX


@pytest.mark.parametrize("lands", [True, False])
def test_of_a_commit_in_doubt_that_was_replaced_meanwhile_it_is_told_whether_it_was_there(
    engine: Callable[[], InLog], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, lands: bool
) -> None:
    """The writer was frozen in its append for longer than its lease."""
    first, second = engine(), engine()
    first.add("main", copy_of(tmp_path / "old.db", "old"))
    new = copy_of(tmp_path / "new.db", "new", rows=7)
    write_record = Segment.write

    with closing(opened(first)) as frozen, closing(opened(second)) as other:
        assert texts(frozen) == texts(other) == OLD

        def writing(segment: Segment, offset: int, content: bytes) -> None:
            monkeypatch.undo()
            if lands:
                write_record(segment, offset, content)
            other.recover(granted(fence=next(fences)))
            replace(other, new)
            if not lands:
                write_record(segment, offset, content)

        monkeypatch.setattr(Segment, "write", writing)
        with suppress(LeaseLost):
            write(frozen, "INSERT INTO t VALUES (0, 'frozen')")
            assert lands
        assert frozen.position == (2 if lands else 1)
        assert texts(frozen) == texts(other) == NEW
        assert other.position == (3 if lands else 2)
