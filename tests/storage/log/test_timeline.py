"""A database on a log, at moments of its past."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from storage.engine import Freshness, Moment, Position
from storage.log.engine import InLog
from storage.log.past import PASTS_MAX
from storage.log.store import Store
from tests.grants import granted
from tests.storage.log.logs import OURS, fences


@pytest.fixture
def timeline(logs: Path, tmp_path: Path) -> Iterator[Store]:
    """Ten transactions, of which each adds a row."""
    with closing(InLog(logs, tmp_path / "copies").open("main", table=OURS, now=time.time)) as store:
        for n in range(10):
            with store.write(granted(fence=next(fences)), creates=True) as transaction:
                if not n:
                    transaction.connection.run("CREATE TABLE t (n)")
                transaction.connection.run("INSERT INTO t VALUES (?)", n)
                transaction.commit()
        yield store


def rows_at(store: Store, position: int) -> object:
    session = store.snapshot(time.time() + 60, Freshness(at=Moment(Position(position))))
    [(rows,)] = session.run("SELECT count(*) FROM t")
    return rows


def copies(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in tmp_path.glob("copies/*/*/*/*@*"))


def test_the_newest_state_is_read_between(timeline: Store) -> None:
    assert rows_at(timeline, 3) == 3
    assert timeline.position == 3
    assert timeline.snapshot(time.time() + 60).run("SELECT count(*) FROM t") == [(10,)]
    assert timeline.position == 10


def test_few_copies_are_kept_and_none_when_it_is_closed(timeline: Store, tmp_path: Path) -> None:
    for position in (*range(1, 11), 10, 9):
        assert rows_at(timeline, position) == position

    assert len(copies(tmp_path)) == PASTS_MAX
    timeline.close()
    assert copies(tmp_path) == []
    assert rows_at(timeline, 2) == 2


def test_copies_of_an_earlier_process_are_removed(timeline: Store, tmp_path: Path) -> None:
    home = next(tmp_path.glob("copies/*/*/*/main"))
    home.with_name("main@0000000000000007").mkdir()

    assert rows_at(timeline, 1) == 1
    assert copies(tmp_path) == ["main@0000000000000001"]
