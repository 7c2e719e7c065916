"""The one place where a request gets the right to write, and what that right says."""

import re
import time
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from handler.record import Record
from handler.service import Service
from locking.lease import GRACE_S, Claim
from sqlatch.kernel.errors import ReadOnly, Timeout
from storage.engine import Grant
from storage.inplace.store import Store
from tests.conftest import Ask

ROOT = Path(__file__).parents[2]
ROOMS = ("events", "handler", "hrana", "sqlexec", "storage")
TAKES_A_LEASE = re.compile(r"\.hold\(|leases\.take|Claim\(")


def record() -> Record:
    return Record(function_request_id="a request", door="direct")


def granted(service: Service, database: str = "main") -> Grant:
    with service.writing(database, record(), time.time() + 60) as grant:
        return grant


def test_one_place_takes_a_lease_for_a_request() -> None:
    sources = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    lines = [(path.name, line) for path in sources for line in path.read_text().splitlines()]

    assert len(lines) > 1_000
    assert [name for name, line in lines if TAKES_A_LEASE.search(line)] == ["service.py"]


@pytest.mark.lease_tables
def test_the_fence_of_a_grant_is_greater_than_those_before_it(
    the_service: Service,
) -> None:
    fences = [granted(the_service).fence for _time in range(3)]
    other = granted(the_service, "other").fence

    assert fences == sorted(set(fences))
    assert granted(the_service).fence > fences[-1]
    assert granted(the_service, "other").fence > other


@pytest.mark.lease_tables
def test_a_database_is_recovered_where_the_holder_before_gave_nothing_back(
    the_service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    recovered: list[str] = []
    monkeypatch.setattr(Store, "recover", lambda self, _grant: recovered.append(self.name) or False)
    granted(the_service)
    assert recovered == []

    past_s = time.time() - 60
    claim = Claim("main", str(uuid4()), "killed", past_s, past_s + GRACE_S)
    the_service.leases._table.take(claim)

    granted(the_service)
    assert recovered == ["main"]
    granted(the_service)
    assert recovered == ["main"]


@pytest.mark.lease_tables
def test_a_right_whose_commit_is_in_doubt_is_not_given_back(the_service: Service) -> None:
    """Else its next holder would not know that it has to recover."""
    now_s = time.time()
    with the_service.writing("main", record(), now_s + 60) as grant:
        grant.doubt()
    assert [held.database for held in the_service.leases.held()] == ["main"]

    with the_service.writing("other", record(), now_s + 60) as grant:
        grant.doubt()
        grant.settle()
    assert [held.database for held in the_service.leases.held()] == ["main"]


def test_a_grant_is_checked_by_the_deadline_of_its_request(the_service: Service) -> None:
    clock = the_service.clock
    with the_service.writing("main", record(), time.time() + 60) as grant:
        grant.check()
        the_service.clock = replace(clock, now=lambda: grant.deadline_s)

        with pytest.raises(Timeout):
            grant.check()


def test_a_service_that_must_not_write_grants_nothing(ask: Ask, the_service: Service) -> None:
    ask(query="CREATE TABLE t (n)")
    the_service.settings = replace(the_service.settings, read_only=True)

    with pytest.raises(ReadOnly):
        granted(the_service)

    assert the_service.leases.held() == []
