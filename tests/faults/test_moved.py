"""A file moved, replaced and removed under every door: no instance works on what is not there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from events.request import QueryEvent
from handler.record import Record
from handler.service import Service, service
from handler.settings import Settings
from locking.clock import Clock
from sqlatch.kernel.errors import SqlatchError
from tests.faults import tally
from tests.faults.moved import (
    READS,
    REFUSED,
    TENDS,
    WRITES,
    Answer,
    Campaign,
    Case,
    libsql,
    rows,
)

CREATE = pytest.mark.parametrize("create", ["on-write", "never"])


@pytest.fixture
def campaign(
    request: pytest.FixtureRequest, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Campaign]:
    monkeypatch.setenv("SQLATCH_DATABASES", str(memory))
    service.cache_clear()
    campaign = Campaign(memory, monkeypatch)
    yield campaign
    tally.keep("a file moved, replaced and removed", request.node.name, campaign.counts)


@CREATE
@pytest.mark.parametrize("door", READS)
def test_a_read_sees_what_is_there(door: str, create: str, campaign: Campaign) -> None:
    campaign.run_reads(create, door)


@CREATE
@pytest.mark.parametrize("door", WRITES)
def test_a_write_is_there_once_it_is_acknowledged(
    door: str, create: str, campaign: Campaign
) -> None:
    campaign.run_writes(create, door)


@CREATE
@pytest.mark.parametrize("door", REFUSED)
def test_a_write_that_is_refused_makes_no_file(door: str, create: str, campaign: Campaign) -> None:
    for case, _late, answer in campaign.run(create, REFUSED[door]):
        assert isinstance(answer, SqlatchError)
        assert rows(case) == ([100] if case.replaced else [])


@CREATE
@pytest.mark.parametrize("door", TENDS)
def test_what_tends_a_database_makes_none(door: str, create: str, campaign: Campaign) -> None:
    for case, _late, _answer in campaign.run(create, TENDS[door]):
        assert rows(case) == ([100] if case.replaced else [])


@CREATE
def test_a_transaction_that_began_before_goes_on_in_the_file_of_that_name(
    create: str, campaign: Campaign
) -> None:
    def commit(case: Case) -> Answer:
        return libsql(case, "COMMIT", baton=case.baton)

    for case, _late, answer in campaign.run(create, commit):
        acknowledged = not isinstance(answer, SqlatchError)
        assert acknowledged <= (case.replaced or case.creates), answer
        assert rows(case) == ([100] if case.replaced else []) + ([7] if acknowledged else [])


def test_a_clock_that_was_set_back_hides_no_replaced_file(tmp_path: Path) -> None:
    now_s = 1_800_000_000.0
    settings = Settings(databases=tmp_path)
    instance = Service(settings, clock=Clock(now=lambda: now_s))
    one_row(settings, tmp_path / "main.db", 1)
    one_row(settings, tmp_path / "other.db", 2)

    assert number(instance) == 1
    (tmp_path / "other.db").replace(tmp_path / "main.db")
    now_s -= 3_600

    assert number(instance) == 2
    instance.close()


def one_row(settings: Settings, path: Path, n: int) -> None:
    maker = Service(settings)
    sql = f"CREATE TABLE t AS SELECT {n} AS n"
    request = QueryEvent(query=sql, database=path.stem)
    maker.answer(request, Record("request", "direct"), ends_at_s=maker.clock.now() + 5)
    maker.close()


def number(instance: Service) -> int:
    request = QueryEvent(query="SELECT n FROM t")
    record = Record("request", "direct")
    answer = instance.answer(request, record, ends_at_s=instance.clock.now() + 5)
    return int(answer["rows"][0][0])
