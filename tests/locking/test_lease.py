"""The words of the lease: when it has expired, and the last check before a commit."""

from dataclasses import replace

import pytest

from locking.clock import Clock
from locking.lease import GRACE_S, Claim, HeldLease, Lease
from sqlatch.errors import LeaseLost

CLAIM = Claim("main", "id-1", "one", now_s=100.0, expires_at_s=112.0, ahead=3)


def test_a_claim_that_is_granted_stands_as_it_was_asked_for() -> None:
    assert CLAIM.held(7) == HeldLease("main", "id-1", "one", 100.0, 112.0, 7, 3)


def test_a_lease_has_expired_once_two_clocks_could_agree_on_it() -> None:
    held = CLAIM.held(1)

    assert not held.is_expired(112.0)
    assert not held.is_expired(112.0 + GRACE_S)
    assert held.is_expired(112.0 + GRACE_S + 0.001)


@pytest.mark.parametrize(("now_s", "late_s"), [(112.0, 0.0), (115.5, 3.5)])
def test_a_check_at_the_end_of_the_lease_or_past_it_says_how_late_it_is(
    now_s: float, late_s: float
) -> None:
    lease = Lease(
        CLAIM.held(1), taken_over=False, waited_ms=0.0, clock=replace(Clock(), now=lambda: now_s)
    )

    with pytest.raises(LeaseLost) as lost:
        lease.check()

    assert lost.value.facts == {"expired_at": 112.0, "late_s": late_s}


def test_a_check_just_before_the_end_lets_the_commit_pass() -> None:
    Lease(
        CLAIM.held(1), taken_over=False, waited_ms=0.0, clock=replace(Clock(), now=lambda: 111.999)
    ).check()
