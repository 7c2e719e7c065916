"""A read asks the log as often as it needs to, and no more."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sqlatch.kernel.errors import Timeout
from storage.engine import NEWEST, Freshness, Position
from storage.log.directory import DirectoryLog
from storage.log.engine import InLog
from storage.log.store import Store
from tests.storage.log.logs import OURS, counted_calls
from tests.storage.log.test_store import INSERT, count, write

A_DAY = Freshness(max_age_s=24 * 3600)


def test_a_warm_read_asks_the_log_once_and_one_that_may_be_older_not_at_all(
    store: Store, other: Store
) -> None:
    assert other.exists()
    count(other)
    reached = Freshness(other.position)

    for freshness, expected in ((NEWEST, 1), (reached, 1), (A_DAY, 0)):
        with counted_calls() as calls:
            assert other.exists()
            assert count(other, freshness) == 0
        assert len(calls) == expected


def test_the_age_of_a_copy_counts_from_before_the_last_question(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [998.0]
    sync = DirectoryLog.sync

    def slow(self: DirectoryLog, deadline_s: float) -> Any:
        records = sync(self, deadline_s)
        clock[0] += 2
        return records

    monkeypatch.setattr(DirectoryLog, "sync", slow)
    engine = InLog(logs, tmp_path / "copies")
    with (
        closing(engine.open("main", table=OURS, now=time.time)) as writer,
        closing(
            InLog(logs, tmp_path / "copies").open("main", table=OURS, now=lambda: clock[0])
        ) as reader,
    ):
        write(writer, "CREATE TABLE t (n)")
        count(reader)
        write(writer, INSERT)

        seen = []
        for clock[0] in (1007.9, 1008.0, 1000.0):
            with counted_calls() as calls:
                number = count(reader, Freshness(max_age_s=10))
            seen.append((number, bool(calls)))

    assert seen == [(0, False), (1, True), (1, True)], "the last: the clock was set back"


def test_a_new_instance_knows_nothing_of_the_age_of_the_copy_it_finds(
    logs: Path, tmp_path: Path
) -> None:
    first = InLog(logs, tmp_path / "copies")
    with closing(first.open("main", table=OURS, now=time.time)) as store:
        write(store, "CREATE TABLE t (n)")
        with closing(InLog(logs, tmp_path / "other").open("main", table=OURS, now=time.time)) as at:
            write(at, INSERT)
    del first, store

    second = InLog(logs, tmp_path / "copies")
    with closing(second.open("main", table=OURS, now=time.time)) as store:
        assert count(store, A_DAY) == 1
        store._replica.begin_anew()
        assert count(store, A_DAY) == 1


def test_a_read_waits_for_the_position_it_asks_for(store: Store, other: Store) -> None:
    count(other)
    wanted = Freshness(Position((store.position or 0) + 2), max_age_s=3600)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(count, other, wanted)
        write(store, INSERT)
        write(store, INSERT)

        assert waiting.result() == 2


def test_a_position_that_is_not_reached_by_the_deadline_is_told_with_that_which_is(
    store: Store, other: Store
) -> None:
    position = count(other) or other.position

    with pytest.raises(Timeout, match="did not reach position ffffffffffffffff") as refusal:
        count(other, Freshness(Position(2**64 - 1)), within_s=0.15)

    assert refusal.value.facts == {"at_least": "f" * 16, "position": f"{position:016x}"}
    assert count(other) == 0
