"""The service of a process: what it makes late, what it recovers, and whom it lets write."""

from collections.abc import Callable
from pathlib import Path

import pytest

from handler.record import Record
from handler.service import RECOVERIES_MAX, Service, service
from handler.settings import LEASES_FILE
from locking.leases import MARGIN_S
from locking.sqlite import SQLiteTable
from sqlatch.kernel.errors import DatabaseBusy, LeaseBusy, LeaseLost, ReadOnly, Timeout
from storage.translate import NeedsMemory, RecoveryNeeded
from tests.conftest import Ask
from tests.faults.machine import Time


@pytest.fixture
def stopped(stopped_time: Time, the_service: Service, ask: Ask) -> Service:
    """A service whose clock stands still, with a database."""
    ask(query="CREATE TABLE t (n)")
    return the_service


def record() -> Record:
    return Record("request-1", "direct")


def test_a_process_that_only_reads_makes_no_lease_table(ask: Ask, the_service: Service) -> None:
    ask(query="CREATE TABLE t (n)")
    the_service.close()
    only_reads = Service(the_service.settings)
    deadline_s = only_reads.clock.now() + 60

    only_reads.recovering("main", record(), deadline_s, lambda: only_reads.databases.get("main"))

    assert "leases" not in vars(only_reads)
    only_reads.close()


def test_the_right_to_write_ends_with_the_block_and_is_in_the_line(stopped: Service) -> None:
    said = record()
    deadline_s = stopped.clock.now() + 10

    with stopped.writing("main", said, deadline_s) as grant:
        (held,) = stopped.leases.held()
        assert held.holder.endswith(":request-1")
        assert held.fence == grant.fence
        grant.check()

    assert stopped.leases.held() == []
    assert (said.lease_wait_ms, said.leases_taken_over, said.lease_not_released) == (0, 0, False)


def test_a_commit_is_refused_past_the_deadline_and_past_the_lease(
    stopped: Service, stopped_time: Time
) -> None:
    with stopped.writing("main", record(), stopped_time.now_s + 10) as grant:
        stopped_time.pass_by(9.999)
        grant.check()
        stopped_time.pass_by(0.001)
        with pytest.raises(Timeout):
            grant.check()
        stopped_time.pass_by(MARGIN_S)
        with pytest.raises(LeaseLost):
            grant.check()


def test_a_service_that_only_reads_takes_no_lease(
    ask: Ask, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLATCH_READ_ONLY", "true")

    with pytest.raises(ReadOnly), service().writing("main", record(), 1e10):
        raise AssertionError("never held")

    assert service().leases.held() == []


def failing(error: Exception, times: int) -> Callable[[], int]:
    """An action that fails so often, and then says how often it was called."""
    calls = 0

    def action() -> int:
        nonlocal calls
        calls += 1
        if calls <= times:
            raise error
        return calls

    return action


@pytest.mark.parametrize("times", range(RECOVERIES_MAX + 1))
def test_a_database_that_needs_recovery_gets_it_and_the_action_is_called_again(
    stopped: Service, times: int
) -> None:
    action = failing(RecoveryNeeded("hot"), times)

    assert stopped.recovering("main", record(), 1e10, action) == times + 1


def test_a_database_that_needs_recovery_too_often_is_busy(stopped: Service) -> None:
    with pytest.raises(DatabaseBusy, match="needs recovery again"):
        stopped.recovering("main", record(), 1e10, failing(RecoveryNeeded("hot"), 99))


def test_recovery_waits_for_whoever_holds_the_lease_until_the_deadline(
    stopped: Service, stopped_time: Time, directory: Path
) -> None:
    said = record()
    other = Service(stopped.settings, clock=stopped.clock)
    deadline_s = stopped_time.now_s + 5

    with (
        other.writing("main", record(), deadline_s + 60),
        pytest.raises(LeaseBusy),
    ):
        stopped.recovering("main", said, deadline_s, failing(RecoveryNeeded("hot"), 99))

    assert stopped_time.now_s == pytest.approx(deadline_s)
    assert said.lease_wait_ms == pytest.approx(5_000, rel=0.1)
    other.close()


def test_memory_that_could_not_be_freed_fails_at_once(stopped: Service) -> None:
    action = failing(NeedsMemory("too much"), 1)

    with pytest.raises(NeedsMemory):
        stopped.recovering("main", record(), 1e10, action)
    assert action() == 2, "called once before"


def test_nothing_is_begun_at_the_deadline(stopped: Service, stopped_time: Time) -> None:
    with pytest.raises(Timeout):
        stopped.recovering("main", record(), stopped_time.now_s, lambda: pytest.fail("was begun"))


def test_a_service_that_is_closed_holds_nothing_open(ask: Ask, the_service: Service) -> None:
    ask(query="CREATE TABLE t (n)")

    the_service.close()

    assert the_service.databases._open == {}
    table = SQLiteTable(the_service.settings.home / LEASES_FILE)
    assert table.held() == []
    table.close()
