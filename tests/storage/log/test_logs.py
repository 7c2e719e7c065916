"""The engines that keep databases as logs, in a directory, and in a table and a bucket."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import apsw
import pytest

from sqlatch.kernel.errors import BadEvent, DatabaseNotFound, StorageError
from storage.engine import Freshness, Moment, Position
from storage.log import dynamodb, following, ltx, replacement
from storage.log import logs as logs_of_any
from storage.log.archive import ARRIVING_BASE
from storage.log.cloud import InTable
from storage.log.engine import InLog
from storage.log.store import Store
from tests.grants import granted
from tests.storage.log.logs import OURS, add_row, fences


def opened(engine: InLog | InTable) -> Store:
    return engine.open("main", table=OURS, now=time.time)


def soon() -> float:
    return time.time() + 60


@pytest.mark.parametrize("way", ["add", "branch"])
def test_a_snapshot_that_cannot_be_written_leaves_nothing(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    engine = InLog(logs, tmp_path / "copies")
    with closing(opened(engine)) as store:
        add_row(store, "CREATE TABLE t (n)")
    engine.tend("main", soon())
    ways: dict[str, Callable[[], object]] = {
        "add": partial(engine.add, "new", _copy(tmp_path)),
        "branch": partial(engine.branch, "main", "new", None, soon()),
    }
    monkeypatch.setattr(ltx, "encode", _failing)

    with pytest.raises(StorageError, match="No space"):
        ways[way]()

    assert engine.names() == ["main"]
    assert list(logs.rglob(f"*{ARRIVING_BASE}*")) == []


def _failing(*_arguments: object, **_options: object) -> Iterator[bytes]:
    yield b"the first piece"
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("where", "step"), [(logs_of_any, "base_name"), (replacement, "lay_ready")]
)
def test_of_two_that_begin_one_name_one_is_refused(
    engine: InLog | InTable,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: ModuleType,
    step: str,
) -> None:
    copy, done = _copy(tmp_path), getattr(where, step)

    def behind_another(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(where, step, done)
        engine.add("main", copy)
        return done(*arguments, **options)

    monkeypatch.setattr(where, step, behind_another)
    with pytest.raises(BadEvent, match="exists"):
        engine.add("main", copy)

    with closing(opened(engine)) as store:
        assert store.snapshot(soon()).run("SELECT n FROM c") == [(7,)]


def test_a_log_that_goes_on_behind_two_snapshots_is_read_to_its_end(
    engine: InLog | InTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, states = _copy(tmp_path), [0]
    with closing(opened(engine)) as store:
        for _replacement in range(2):
            add_row(store, "CREATE TABLE t (n)")
            states.append(_position(store))
            store.replace(copy, granted(fence=next(fences)))
            states.append(_position(store))
        monkeypatch.setattr(dynamodb, "first_of", lambda items, _bytes: items[:1])
        monkeypatch.setattr(following, "PIECE_BYTES", 1)

        engine.tend("main", soon())

        assert _listed(engine) == states[:0:-1]
        assert [_tables(store, position) for position in states[1:]] == [
            ["t"],
            ["c"],
            ["c", "t"],
            ["c"],
        ]
        add_row(store, "CREATE TABLE t (n)")
        engine.tend("main", soon())
        assert _listed(engine) == [5, *states[:0:-1]]


@pytest.mark.parametrize("way", ["add", "bring back", "write"])
def test_a_time_at_which_the_database_was_deleted_is_known_behind_it(
    engine: InLog | InTable, tmp_path: Path, way: str
) -> None:
    copy = _copy(tmp_path)
    with closing(opened(engine)) as store:
        add_row(store, "CREATE TABLE t (n)")
        there_ms = _time_behind()
        kept = store.remove(granted(fence=next(fences)), lambda _state: None)
        deleted_ms = _time_behind()
        if way == "add":
            engine.add("main", copy)
        elif way == "bring back":
            store.bring_back(kept, granted(fence=next(fences)))
        else:
            add_row(store, "CREATE TABLE t (n)")

        for _reaped in range(3):
            store.snapshot(soon(), Freshness(at=Moment(at_ms=there_ms)))
            assert store.position == 1
            for moment in (Moment(Position(2)), Moment(at_ms=deleted_ms)):
                with pytest.raises(DatabaseNotFound):
                    store.snapshot(soon(), Freshness(at=moment))
            engine.tend("main", soon())
            add_row(store, "CREATE TABLE IF NOT EXISTS t (n)")


def _time_behind() -> int:
    """Return a time behind what was done, and before what is done next."""
    time.sleep(0.002)
    at_ms = int(time.time() * 1000)
    time.sleep(0.002)
    return at_ms


def _listed(engine: InLog | InTable) -> list[Position]:
    found = engine.history("main", before=None, most=10, deadline_s=soon())
    return [commit.position for commit in found]


def _tables(store: Store, position: int) -> list[str]:
    session = store.snapshot(soon(), Freshness(at=Moment(Position(position))))
    rows = session.run("SELECT name FROM sqlite_schema WHERE name <> 'ours' ORDER BY 1")
    return [str(row[0]) for row in rows]


def _copy(tmp_path: Path) -> Path:
    with closing(apsw.Connection(str(tmp_path / "copy.db"))) as connection:
        connection.execute("CREATE TABLE c AS SELECT 7 AS n")
    return tmp_path / "copy.db"


def _position(store: Store) -> Position:
    assert store.position is not None
    return store.position
