"""A request of many small statements ends at its deadline, and leaves nothing behind."""

import time
from collections.abc import Iterator
from itertools import count

import pytest

from events.request import QueryEvent, parse
from handler.record import Record
from handler.service import Service
from locking.clock import Clock
from sqlatch.kernel.errors import Timeout
from tests.conftest import Ask

STATEMENTS = 1_000
LOOKS = 500
"""The clock of these tests goes on a millisecond whenever it is looked at; this is the deadline."""


@pytest.fixture
def late(ask: Ask, the_service: Service) -> Iterator[Service]:
    ask(query="CREATE TABLE t (n)")
    started_s, looks = time.time(), count()
    service = Service(the_service.settings, clock=Clock(now=lambda: started_s + next(looks) / 1000))
    yield service
    service.close()


@pytest.mark.parametrize("query", ["SELECT {}", "INSERT INTO t VALUES ({})", "PRAGMA user_version"])
def test_each_statement_looks_at_the_deadline(late: Service, ask: Ask, query: str) -> None:
    statements = [{"query": query.format(number)} for number in range(STATEMENTS)]
    event = parse({"statements": statements, "timeout_ms": LOOKS})
    assert isinstance(event, QueryEvent)

    with pytest.raises(Timeout) as refusal:
        late.answer(event, Record("r", "direct"), ends_at_s=time.time() + 3600)

    assert 0 < int(str(refusal.value.facts["statement"])) < LOOKS
    assert ask(query="SELECT count(*) FROM t")["rows"] == [[0]]
    assert ask(health=True)["leases"] == []
