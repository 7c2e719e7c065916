"""The history of a database: which states can still be read, and where each is found."""

import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from sqlatch.kernel.errors import BadEvent, ReadOnly
from storage.engine import Freshness, Moment, Position
from storage.log import compaction
from storage.log.cloud import InTable
from storage.log.engine import ARCHIVE, InLog
from storage.log.history import History
from storage.log.log import BEGINNING
from storage.log.past import PastLog
from storage.log.slots import Slot
from storage.log.store import Store
from tests.grants import granted
from tests.storage.log.clouds import Cloud
from tests.storage.log.logs import OURS, add_row, fences


@pytest.fixture
def engine(logs: Path, tmp_path: Path) -> InLog:
    return InLog(logs, tmp_path / "copies")


@pytest.fixture
def store(engine: InLog) -> Store:
    """The positions are the numbers of rows."""
    store = engine.open("main", table=OURS, now=time.time)
    add_row(store, "CREATE TABLE t (n)")
    add_row(store)
    return store


def rows_at(store: Store, position: int) -> object:
    moment = Moment(Position(position))
    [(rows,)] = store.snapshot(time.time() + 60, Freshness(at=moment)).run("SELECT count(*) FROM t")
    return rows


def test_a_state_that_is_only_in_merged_files_is_refused_with_what_is_there(
    store: Store, logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "RECORDS_KEPT_S", -1)
    reaper = InLog(logs, tmp_path / "of-the-reaper", history_s=0)
    for _pass in range(3):
        reaper.tend("main", time.time() + 60)
        add_row(store)
        add_row(store)
        # A segment that is sealed can be removed.
        store.recover(granted(fence=next(fences)))
    reaper.tend("main", time.time() + 60)

    with pytest.raises(BadEvent, match=r"position 0000000000000003.*sqlatch history main"):
        rows_at(store, 3)
    assert rows_at(store, 4) == 4
    assert not list((logs / "main" / ARCHIVE).glob("history/*"))


def test_a_log_that_ends_takes_no_record(store: Store) -> None:
    store.snapshot(time.time() + 60)
    with closing(PastLog(History(store._replica), 1, BEGINNING)) as log:
        assert [record.txid for record in log.sync(time.time() + 60)] == [1]
        assert log.sync(time.time() + 60) == []
        with pytest.raises(ReadOnly, match="without `at`"):
            log.append(b"", b"")
        with pytest.raises(ReadOnly, match="without `at`"):
            log.replace(b"")
        with pytest.raises(ReadOnly, match="without `at`"):
            log.ready(0, fence=1, seal=False)
        with pytest.raises(ReadOnly, match="without `at`"):
            log.outcome(1, b"", 0)


def test_the_time_of_a_replacement_is_not_that_at_which_its_files_were_written(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = InTable(cloud.table, cloud.objects, Slot("cloud", tmp_path / "copies"))
    listed = cloud.objects.list
    monkeypatch.setattr(
        cloud.objects,
        "list",
        lambda prefix="": (replace(each, written_s=each.written_s + 60) for each in listed(prefix)),
    )
    with closing(engine.open("main", table=OURS, now=time.time)) as store:
        add_row(store, "CREATE TABLE t (n)")
        add_row(store)
        store.copy_out(tmp_path / "copy.db", time.time() + 60)
        store.replace(tmp_path / "copy.db", granted())
        now_ms = int(time.time() * 1000) + 1

        for _reaped in range(2):
            history = History(store._replica)
            history._now = lambda: now_ms / 1000 + 1
            assert history.position_at(Moment(at_ms=now_ms), time.time() + 60) == 3
            engine.tend("main", time.time() + 60)
