"""The reaper: records past their time, databases that fail, a turn for each."""

import time
from pathlib import Path

import pytest

from handler.log import Record
from handler.reaper import reap
from handler.service import Service
from locking.clock import Clock
from tests.conftest import Ask

pytestmark = pytest.mark.lease_tables

DAY_S = 86_400


def reap_in(days: float, service: Service) -> dict:
    """What the reaper does when so many days have passed."""
    later = Service(service.settings, clock=Clock(now=lambda: time.time() + days * DAY_S))
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


def test_a_lease_that_is_in_use_is_left_alone(ask: Ask, the_service: Service) -> None:
    ask(query="CREATE TABLE t (n)")
    deadline_s = the_service.clock.now() + 30
    with the_service.leases.hold("main", holder="somebody", deadline_s=deadline_s):
        report = reap_in(0, the_service)

    assert report["leases_reaped"] == []


def test_an_expired_lease_of_a_database_that_is_gone_is_cleared(
    ask: Ask, the_service: Service
) -> None:
    hold = the_service.leases.hold("gone", holder="somebody", deadline_s=time.time() + 1)
    hold.__enter__()

    assert reap_in(1, the_service)["leases_reaped"] == ["gone"]
    assert ask(health=True)["leases"] == []
