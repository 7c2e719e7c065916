"""A log that is deleted: what its reaper, its files and late writers do."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from sqlatch.kernel.errors import BadEvent, LeaseLost, StorageError
from storage.engine import Store
from storage.log import compaction, copy_file, keeping, removal
from storage.log.archive import Archive
from storage.log.engine import ARCHIVE, LOG, InLog
from storage.log.log import Conflict, Gone, InDoubt
from storage.translate import DatabaseReplaced
from tests.faults.report import FULL
from tests.grants import granted
from tests.storage.log.logs import DEADLINE_S, ID, OURS, fences, log_in, ready
from tests.storage.log.test_compaction_crashes import DIED, exit_of, forked
from tests.storage.log.test_replacement import dying

DAY_S = 86_400

SOME = 11
"""Of the steps of a deletion, each of that number is one at which it dies; all with FULL."""


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs"


@pytest.fixture
def engine(logs: Path, tmp_path: Path) -> Callable[[], InLog]:
    return partial(InLog, logs, tmp_path / "copies")


@pytest.fixture
def store(engine: Callable[[], InLog]) -> Iterator[Store]:
    ours = engine()
    with closing(opened(ours)) as store:
        write(store, "CREATE TABLE t (n)")
        yield store


def opened(engine: InLog, name: str = "main") -> Store:
    return engine.open(name, table=OURS, now=time.time)


def granting() -> Any:
    return granted(fence=next(fences), deadline_s=time.time() + 60)


def write(store: Store, *texts: str) -> None:
    with store.write(granting(), creates=True) as transaction:
        for sql in texts:
            transaction.connection.run(sql)
        transaction.commit()


def read(store: Store) -> list[Any]:
    return [n for (n,) in store.snapshot(time.time() + 60).run("SELECT n FROM t ORDER BY n")]


def remove(store: Store) -> str:
    return store.remove(granting(), lambda _state: None)


def archive_of(logs: Path) -> Archive:
    return Archive(logs / "main" / ARCHIVE)


@pytest.mark.parametrize("behind", [False, True])
def test_a_deletion_that_dies_at_any_step_leaves_the_database_or_what_is_kept_of_it(
    tmp_path: Path, *, behind: bool
) -> None:
    logs, copies = tmp_path / "logs", tmp_path / "copies"
    left = set()
    for step in count(0, 1 if FULL else SOME):
        for directory in (logs, copies):
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir()
        bystander = InLog(logs, copies)
        with closing(opened(bystander)) as other:
            write(other, "CREATE TABLE t (n)", "INSERT INTO t VALUES (1)")

            def work() -> None:
                remove(opened(InLog(logs, copies)))

            status = exit_of(forked(partial(dying, step, behind=behind, work=work)))
            other.recover(granting())
            is_there = other.exists() and bystander.names() == ["main"]
            left.add(is_there)
            assert status == DIED or not is_there
            if not is_there:
                other.bring_back(f"main.20260101T000000Z-{1:016x}", granting())
            assert read(other) == [1]
            write(other, "INSERT INTO t VALUES (2)")
            assert remove(other)
        if status != DIED:
            break

    assert step > 20
    assert left == {True, False}


def test_a_commit_that_comes_while_a_state_is_kept_refuses_the_deletion(
    store: Store, engine: Callable[[], InLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is of one who has the same lease: a holder that was frozen."""
    another = engine()
    grant = granting()
    keep = keeping.keep_state

    def keep_and_write(*arguments: Any, **options: Any) -> None:
        keep(*arguments, **options)
        with closing(opened(another)) as late, late.write(grant) as transaction:
            transaction.connection.run("INSERT INTO t VALUES (1)")
            transaction.commit()

    monkeypatch.setattr(removal, "keep_state", keep_and_write)

    with pytest.raises(LeaseLost):
        store.remove(grant, lambda _state: None)
    assert read(store) == [1]


def test_who_is_behind_a_deletion_cannot_append_to_what_was(
    store: Store, engine: Callable[[], InLog], logs: Path
) -> None:
    late = log_in(logs / "main" / LOG)
    ready(late)
    remove(store)

    with pytest.raises((Conflict, InDoubt)):
        late.append(ID, b"late")
    assert late.outcome(2, ID, DEADLINE_S) == (False, [])
    with pytest.raises(Gone):
        late.sync(DEADLINE_S)
    assert engine().names() == []


@pytest.mark.parametrize("days", [2, 6])
def test_the_state_before_a_deletion_is_kept_for_a_week(
    days: int, store: Store, logs: Path
) -> None:
    """Though another snapshot is the last one of its day."""
    write(store, "INSERT INTO t VALUES (1)")
    kept = remove(store)

    compaction.compact(archive_of(logs), time.time() + days * DAY_S)

    store.bring_back(kept, granting())
    assert read(store) == [1]


def test_a_log_that_goes_on_behind_a_deletion_keeps_to_the_same_rules(
    store: Store, engine: Callable[[], InLog], logs: Path
) -> None:
    tables = "CREATE TABLE t (n); INSERT INTO t VALUES ({n})"
    kept = {}
    for n in range(3):
        write(store, "DROP TABLE IF EXISTS t", *tables.format(n=n).split("; "))
        kept[n] = remove(store)
        engine().forget_deleted(0)
    write(store, "CREATE TABLE t (n)")
    for _more in range(40):
        write(store, "INSERT INTO t VALUES (7)")
        engine().tend("main", time.time() + 60)
    assert read(store) == [7] * 40

    for n, name in kept.items():
        remove(store)
        store.bring_back(name, granting())
        assert read(store) == [n]
    with closing(opened(engine())) as late:
        assert read(late) == [2]


def test_a_deletion_stays_known_when_all_before_it_is_removed(
    store: Store, engine: Callable[[], InLog], logs: Path
) -> None:
    remove(store)
    for _seal in range(2):
        store.recover(granting())
    ours = engine()
    ours.tend("main", time.time() + 60)
    with closing(log_in(logs / "main" / LOG)) as log:
        log.remove([each.epoch for each in log.segments()])

    assert ours.names() == []
    with closing(opened(ours)) as other:
        assert not other.exists()
        write(other, "CREATE TABLE t (n)")
    assert ours.names() == ["main"]
    assert read(store) == []


def test_what_is_kept_may_be_a_large_database_that_is_fetched_page_by_page(
    store: Store, engine: Callable[[], InLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy_file, "LAZY_BYTES_MIN", 0)
    write(store, "INSERT INTO t VALUES (1), (2), (3)")
    kept = remove(store)

    ours = engine()
    with closing(opened(ours)) as other:
        assert not other.exists()
        other.bring_back(kept, granting())
        assert read(other) == read(store) == [1, 2, 3]
        remove(other)
        with pytest.raises(DatabaseReplaced):
            read(store)


def test_only_some_deleted_logs_are_tended_in_one_pass_and_all_in_some(
    engine: Callable[[], InLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = engine()
    names = [f"d{number}" for number in range(removal.DELETED_AT_ONCE * 2 + 1)]
    for name in names:
        with closing(opened(ours, name)) as store:
            write(store, "CREATE TABLE t (n)")
            remove(store)
    tended: list[str] = []
    monkeypatch.setattr(ours, "tend", lambda name, _deadline_s: tended.append(name))

    for minute in range(3):
        ours.forget_deleted(minute * 60)
        assert len(tended) == removal.DELETED_AT_ONCE * (minute + 1)

    assert set(tended) == set(names)


@pytest.mark.parametrize("kept", ["main.20260101T000000Z-00000000", "main", f"main.1-{1:016x}"])
def test_what_names_nothing_that_is_kept_is_refused(kept: str, store: Store) -> None:
    remove(store)

    with pytest.raises(BadEvent, match="is kept as"):
        store.bring_back(kept, granting())


def test_a_state_that_cannot_be_kept_is_not_deleted(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "take_in_all", lambda *_arguments: None)

    with pytest.raises(StorageError, match="could not be kept"):
        remove(store)
    assert read(store) == []
