"""The faults of other locks in DynamoDB, each as a test that passes here.

The tools: python-dynamodb-lock, dynamodblock.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from locking.lease import Lease
from locking.leases import Leases
from locking.tables import open_table
from sqlatch.kernel.errors import LeaseBusy, LeaseLost
from tests.faults.machine import Time

pytestmark = pytest.mark.lease_tables

DATABASE = "main"
TIMEOUT_S = 1.0
LONG_S = 60.0
"""Past the lease of any request here."""


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def leases(environment: dict[str, str], time: Time, directory: Path) -> Iterator[Leases]:
    """Leases in each kind of table, by a clock that only the test moves."""
    table = open_table(environment.get("SQLATCH_LEASES", f"sqlite:{directory}/leases"))
    yield Leases(table, clock=time.clock())
    table.close()


def hold(leases: Leases, time: Time, holder: str = "me") -> AbstractContextManager[Lease]:
    return leases.hold(DATABASE, holder=holder, deadline_s=time.now_s + TIMEOUT_S, patience_s=0)


def test_an_exception_under_the_lease_is_not_swallowed(leases: Leases, time: Time) -> None:
    with pytest.raises(ZeroDivisionError), hold(leases, time):
        raise ZeroDivisionError

    assert leases.held() == []


def test_a_holder_that_stalled_is_told(leases: Leases, time: Time) -> None:
    with hold(leases, time) as lease:
        lease.check()
        time.pass_by(LONG_S)
        with pytest.raises(LeaseLost):
            lease.check()


def test_leases_taken_again_are_given_back_again(leases: Leases, time: Time) -> None:
    for _turn in range(3):
        with hold(leases, time):
            assert len(leases.held()) == 1
        assert leases.held() == []


def test_a_stale_owner_does_not_give_back_the_lease_of_the_next(leases: Leases, time: Time) -> None:
    with ExitStack() as stale, ExitStack() as following:
        stale.enter_context(hold(leases, time, "stale"))
        time.pass_by(LONG_S)
        following.enter_context(hold(leases, time, "next"))
        stale.close()

        assert [held.holder for held in leases.held()] == ["next"]
        with pytest.raises(LeaseBusy):
            following.enter_context(hold(leases, time, "third"))
