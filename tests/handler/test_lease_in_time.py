"""The last check before COMMIT: whoever stalls past his time writes nothing."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from events.request import QueryEvent
from handler.record import Record
from handler.service import Service
from locking.clock import Clock
from locking.leases import MARGIN_S
from sqlatch.kernel.errors import LeaseLost, SqlatchError, Timeout
from sqlexec.database import Database
from tests.conftest import Ask

INSERT = QueryEvent(query="INSERT INTO t VALUES (1)", timeout_ms=5_000)


@pytest.fixture
def stalling(
    ask: Ask, the_service: Service, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[float], Any]]:
    """A service whose holder stalls for so many seconds when its statements have run.

    Its clock stands still but for that, so that the speed of the machine decides nothing.
    """
    ask(query="CREATE TABLE t (n)")
    now_s = time.time()
    service = Service(the_service.settings, clock=Clock(now=lambda: now_s))
    apply = Database._apply

    def write(stall_s: float) -> Any:
        def stall(self: Database, *arguments: Any) -> Any:
            nonlocal now_s
            outcome = apply(self, *arguments)
            now_s += stall_s
            return outcome

        monkeypatch.setattr(Database, "_apply", stall)
        return service.answer(INSERT, Record("r", "direct"), ends_at_s=now_s + 60)

    yield write
    service.close()


@pytest.mark.parametrize(
    ("stall_s", "error"),
    [(5.1, Timeout), (5 + MARGIN_S / 2, Timeout), (5.1 + MARGIN_S, LeaseLost)],
)
def test_a_holder_that_stalls_past_its_time_writes_nothing(
    stall_s: float, error: type[SqlatchError], stalling: Callable[[float], Any], ask: Ask
) -> None:
    with pytest.raises(error, match="nothing was written"):
        stalling(stall_s)

    assert ask(query="SELECT count(*) FROM t")["rows"] == [[0]]
    assert ask(health=True)["leases"] == []


def test_a_holder_that_is_slow_but_in_time_writes(
    stalling: Callable[[float], Any], ask: Ask
) -> None:
    assert stalling(4)["rows_affected"] == 1
    assert ask(query="SELECT count(*) FROM t")["rows"] == [[1]]


def test_a_request_without_time_left_is_refused_before_it_starts(
    ask: Ask, refused: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(query="CREATE TABLE t (n)")
    monkeypatch.setattr("handler.local.TIMEOUT_S", 0.4)

    assert refused(query="SELECT 1")["code"] == "TIMEOUT"
    assert refused(query="INSERT INTO t VALUES (1)")["code"] == "TIMEOUT"
