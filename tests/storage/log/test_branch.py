"""A state of the past as a snapshot, page by page."""

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sqlatch.kernel.errors import BadEvent, StorageError, Timeout
from storage.engine import Moment, Position
from storage.log import branch, ltx
from storage.log.branch import state_at
from storage.log.engine import InLog
from storage.log.history import History
from storage.log.store import Store
from tests.storage.log.logs import OURS, add_row


@pytest.fixture
def engine(logs: Path, tmp_path: Path) -> InLog:
    return InLog(logs, tmp_path / "copies")


@pytest.fixture
def store(engine: InLog) -> Store:
    store = engine.open("main", table=OURS, now=time.time)
    add_row(store, "CREATE TABLE t (n)")
    return store


def test_every_page_of_each_state_is_given(engine: InLog, store: Store) -> None:
    states = {}
    for _commit in range(4):
        add_row(store)
        position = store.position
        assert position is not None
        states[position] = store._replica.file.path.read_bytes()
        if position == 3:
            engine.tend("main", time.time() + 60)
    history = History(store._replica)

    for position, state in states.items():
        with state_at(history, position, time.time() + 60) as (header, pages):
            content = b"".join(page for _number, page in pages)
        assert header.is_snapshot
        assert header.last == position
        assert content == state[: header.pages * header.page_size]


def test_a_branch_is_whole_or_not_there(
    engine: InLog,
    store: Store,
    logs: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failing(*_arguments: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ltx, "encode", failing)
    with pytest.raises(StorageError, match="No space"):
        engine.branch("main", "new", None, time.time() + 60)
    monkeypatch.undo()
    assert engine.names() == ["main"]

    assert engine.branch("main", "new", Moment(Position(1)), time.time() + 60) == 1
    assert engine.names() == ["main", "new"]
    with pytest.raises(BadEvent, match="exists"):
        engine.branch("main", "new", None, time.time() + 60)


def test_a_branch_ends_with_its_deadline_and_leaves_nothing(
    engine: InLog, store: Store, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode, deadline_s = ltx.encode, time.time() + 60

    def late(*arguments: Any, **options: Any) -> Iterator[bytes]:
        whole = encode(*arguments, **options)
        yield next(whole)
        monkeypatch.setattr(branch, "time", SimpleNamespace(time=lambda: deadline_s))
        yield from whole

    engine.tend("main", deadline_s)
    monkeypatch.setattr(ltx, "encode", late)
    with pytest.raises(Timeout, match="was not written by the deadline"):
        engine.branch("main", "new", None, deadline_s)

    assert engine.names() == ["main"]
    assert [path.name for path in (logs / "new").rglob("*") if path.is_file()] == []
