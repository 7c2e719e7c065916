"""The reaper: records past their time, databases that fail, a turn for each."""

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

from handler.reaper import reap
from handler.record import Record
from handler.service import Service
from locking.clock import Clock
from sqlexec import idempotency
from sqlexec.database import Database
from sqlexec.databases import Databases
from storage.nodes import ForLeader
from tests.conftest import Ask
from tests.faults.plants import purge_takes_young_records
from tests.faults.report import record_planted

DAY_S = 86_400
STARTED_S = 2_000_000_000.0


def reap_in(
    days: float, service: Service, sleep: Callable[[float], None] = time.sleep
) -> dict[str, Any]:
    """Run the reaper when so many days have passed."""
    clock = Clock(now=lambda: time.time() + days * DAY_S, sleep=sleep)
    later = Service(service.settings, clock=clock)
    try:
        return reap(later, Record("request", "schedule"), ends_at_s=later.clock.now() + 10)
    finally:
        later.close()


def test_records_past_their_time_are_purged_a_bounded_number_at_a_time(
    ask: Ask, the_service: Service
) -> None:
    ask(query="CREATE TABLE t (n)")
    for key in range(3):
        ask(query="INSERT INTO t VALUES (1)", idempotency_key=str(key))

    assert reap_in(4.9, the_service)["records_purged"] == 0
    assert reap_in(5.1, the_service)["records_purged"] == 3
    assert reap_in(5.1, the_service)["records_purged"] == 0
    again = ask(query="INSERT INTO t VALUES (1)", idempotency_key="1")
    assert again["meta"]["replayed"] is False


def test_a_reaper_with_nothing_to_do_takes_no_lease(ask: Ask, the_service: Service) -> None:
    ask(query="CREATE TABLE t (n)")
    record = Record("request", "schedule")

    reap(the_service, record, ends_at_s=the_service.clock.now() + 10)

    assert record.lease_wait_ms is None


def test_a_database_that_fails_does_not_keep_the_others_from_their_turn(
    ask: Ask, the_service: Service, directory: Path
) -> None:
    (directory / "a-junk.db").write_bytes(b"no database at all, " * 100)
    for name in ("b", "c"):
        ask(query="CREATE TABLE t (n)", database=name)
        ask(query="INSERT INTO t VALUES (1)", database=name, idempotency_key="k")

    report = reap_in(6, the_service)

    assert report["records_purged"] == 2
    (failure,) = report["failures"]
    assert (failure["database"], failure["code"]) == ("a-junk", "DATABASE_CORRUPT")


@pytest.mark.lease_tables
def test_a_lease_that_is_in_use_is_left_alone(ask: Ask, the_service: Service) -> None:
    ask(query="CREATE TABLE t (n)")
    deadline_s = the_service.clock.now() + 30
    with the_service.leases.hold("main", holder="somebody", deadline_s=deadline_s):
        report = reap_in(0, the_service)

    assert report["leases_reaped"] == []


@pytest.mark.lease_tables
def test_an_expired_lease_of_a_database_that_is_gone_is_cleared(
    ask: Ask, the_service: Service
) -> None:
    hold = the_service.leases.hold("gone", holder="somebody", deadline_s=time.time() + 1)
    hold.__enter__()

    assert reap_in(1, the_service)["leases_reaped"] == ["gone"]
    assert ask(health=True)["leases"] == []


def test_a_node_that_loses_the_lead_in_its_round_leaves_the_rest_to_the_next(
    ask: Ask, the_service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    aged(ask, the_service, old=3, young=2)

    def writing(*_arguments: object, **_options: object) -> NoReturn:
        raise ForLeader

    monkeypatch.setattr(Service, "writing", writing)
    report = reap_in(6, the_service)

    assert (report["records_purged"], report["failures"]) == (0, [])


def test_a_purge_takes_no_young_record_with_the_old_ones(ask: Ask, the_service: Service) -> None:
    aged(ask, the_service, old=3, young=2)

    assert reap_in(5.1, the_service)["records_purged"] == 3
    assert ask(query=INSERT, idempotency_key="young 0")["meta"]["replayed"] is True
    assert ask(query=INSERT, idempotency_key="old 0")["meta"]["replayed"] is False


def test_the_campaign_of_purges_catches_one_that_takes_young_records(
    ask: Ask, the_service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    purge_takes_young_records(monkeypatch)
    aged(ask, the_service, old=3, young=2)

    assert reap_in(5.1, the_service)["records_purged"] == 5
    record_planted("purge takes young records", "a purge of old and young records")


@pytest.mark.parametrize("ahead_days", [0.5, 4_000])
@pytest.mark.parametrize("number", [1, 99])
def test_records_dated_by_a_clock_that_was_ahead_keep_no_others_from_being_purged(
    number: int, ahead_days: float, ask: Ask, the_service: Service
) -> None:
    ask(query="CREATE TABLE t (n)")
    with clock_of(the_service, ahead_days):
        for key in range(number):
            ask(query=INSERT, idempotency_key=f"ahead {key}")
    for key in range(3):
        ask(query=INSERT, idempotency_key=f"right {key}")

    assert reap_in(5.1, the_service)["records_purged"] == 3
    assert reap_in(5.1 + ahead_days, the_service)["records_purged"] == number


def test_a_purge_goes_on_while_there_is_time_and_lets_writers_in(
    ask: Ask, the_service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "PURGED_AT_ONCE_MAX", 10)
    aged(ask, the_service, old=35, young=1)
    written = []

    def write(_seconds: float) -> None:
        assert the_service.leases.held() == []
        written.append(ask(query=INSERT)["rows_affected"])

    assert reap_in(5.1, the_service, sleep=write)["records_purged"] == 35
    assert written == [1, 1, 1], "between four transactions"


def test_each_of_many_databases_is_reached_in_a_known_number_of_runs(
    ask: Ask, the_service: Service, directory: Path
) -> None:
    names = databases(ask, directory, 30)
    reached: Counter[str] = Counter()

    for _run in range(10):
        reached.update(reached_by_a_run(the_service, databases_max=10))

    assert sorted(reached) == names
    assert set(reached.values()) <= {3, 4}


def test_where_all_are_due_each_is_purged_in_a_known_number_of_runs(
    ask: Ask, the_service: Service, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = databases(ask, directory, 12)
    for name in names:
        for key in ("a", "b"):
            ask(query=INSERT, database=name, idempotency_key=key)
    monkeypatch.setattr(idempotency, "PURGED_AT_ONCE_MAX", 1)
    purged: Counter[str] = Counter()

    for _run in range(8):
        purged.update(purged_by_a_run(the_service, monkeypatch, purges_max=3))

    assert purged == dict.fromkeys(names, 2)


def test_a_run_that_dies_on_a_database_does_not_begin_with_it_again(
    ask: Ask, the_service: Service, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = databases(ask, directory, 4)
    reached: set[str] = set()

    def get(self: Databases, name: str) -> Any:
        if name == names[0]:
            raise KeyboardInterrupt
        reached.add(name)
        return GET(self, name)

    monkeypatch.setattr(Databases, "get", get)
    with pytest.raises(KeyboardInterrupt):
        reap_in(0, the_service)
    with pytest.raises(KeyboardInterrupt):
        reap_in(0, the_service)

    assert reached == set(names[1:])


def test_a_turn_that_cannot_be_kept_is_a_failure_and_keeps_nobody_from_it(
    ask: Ask, the_service: Service, directory: Path
) -> None:
    names = databases(ask, directory, 3)
    (directory / ".reaper").mkdir()

    report = reap_in(0, the_service)

    assert report["databases_reached"] == len(names)
    assert [failure["database"] for failure in report["failures"]] == ["(turn)"]


GET = Databases.get
INSERT = "INSERT INTO t VALUES (1)"


def aged(ask: Ask, service: Service, *, old: int, young: int) -> None:
    """Records made now, and some that will be a day old when those are past their time."""
    ask(query="CREATE TABLE t (n)")
    for number in range(old):
        ask(query=INSERT, idempotency_key=f"old {number}")
    with clock_of(service, 1):
        for number in range(young):
            ask(query=INSERT, idempotency_key=f"young {number}")


@contextmanager
def clock_of(service: Service, ahead_days: float) -> Iterator[None]:
    """The records that the service makes are dated by a clock that is ahead."""
    database = service.databases.get("main")
    now = database._now
    database._now = lambda: now() + ahead_days * DAY_S
    yield
    database._now = now


def databases(ask: Ask, directory: Path, number: int) -> list[str]:
    ask(query="CREATE TABLE t (n)", database="d00")
    names = [f"d{index:02}" for index in range(number)]
    for name in names[1:]:
        for suffix in ("db", "db-journal"):
            shutil.copy(directory / f"d00.{suffix}", directory / f"{name}.{suffix}")
    return names


def reached_by_a_run(service: Service, *, databases_max: int) -> list[str]:
    """The databases that a run reaches whose time is over after some."""
    reached: list[str] = []
    later = Service(service.settings, clock=Clock(now=lambda: STARTED_S + len(reached)))

    def get(name: str) -> Any:
        reached.append(name)
        return GET(later.databases, name)

    later.databases.get = get
    try:
        reap(later, Record("request", "schedule"), ends_at_s=STARTED_S + databases_max)
    finally:
        later.close()
    return reached


def purged_by_a_run(service: Service, patch: pytest.MonkeyPatch, *, purges_max: int) -> list[str]:
    """The databases that a run purges whose time is over after some."""
    purged: list[str] = []
    started_s = time.time() + 6 * DAY_S
    clock = Clock(now=lambda: started_s + len(purged), sleep=lambda _seconds: None)
    later = Service(service.settings, clock=clock)
    purge_records = Database.purge_records

    def purge(self: Database, *arguments: Any, **named: Any) -> int:
        count = purge_records(self, *arguments, **named)
        purged.append(self._store.name)
        return count

    patch.setattr(Database, "purge_records", purge)
    try:
        reap(later, Record("request", "schedule"), ends_at_s=started_s + purges_max)
    finally:
        patch.setattr(Database, "purge_records", purge_records)
        later.close()
    return purged
