"""The lease: the right to write to one database, for a limited time; and what a table does."""

from dataclasses import dataclass
from typing import Protocol

from sqlatch.kernel.errors import LeaseLost

from .clock import Clock

GRACE_S = 1.0
"""How long a contender waits past `expires_at_s`: two clocks may be that far apart."""


@dataclass(frozen=True, slots=True)
class HeldLease:
    """A lease that stands in the table, its time run out or not. Times in epoch seconds.

    `ahead` is how many leases were granted to others while its holder waited, 0 where the table
    does not keep that.
    """

    database: str
    lock_id: str
    holder: str
    acquired_at_s: float
    expires_at_s: float
    fence: int
    ahead: int = 0

    def is_expired(self, now_s: float) -> bool:
        """Return whether another holder may take the lease over."""
        return now_s > self.expires_at_s + GRACE_S


@dataclass(frozen=True, slots=True)
class Claim:
    """The claim of a contender. `lock_id` is new for each request, the same when it retries.

    `term` is that of the leader who asks. It takes over at once what a leader before it holds, and
    nothing is granted to a leader once a later one had the lease. None: there is no leader.
    """

    database: str
    lock_id: str
    holder: str
    now_s: float
    expires_at_s: float
    ahead: int = 0
    term: int | None = None

    def held(self, fence: int) -> HeldLease:
        """The lease that stands once this claim is granted."""
        return HeldLease(
            database=self.database,
            lock_id=self.lock_id,
            holder=self.holder,
            acquired_at_s=self.now_s,
            expires_at_s=self.expires_at_s,
            fence=fence,
            ahead=self.ahead,
        )


@dataclass(frozen=True, slots=True)
class Taken:
    """A claim that was granted. `taken_over`: its last holder never gave it back."""

    held: HeldLease
    taken_over: bool


class LeaseTable(Protocol):
    """The table of leases. Each method is one atomic step; after TableUnavailable it may have run.

    StorageError is raised where trying again cannot help (no table, no permission).
    """

    def take(self, claim: Claim) -> Taken | HeldLease:
        """Grant the claim, or say who holds the lease. The same claim again is granted again.

        LeaseLost if a later leader had the lease.
        """

    def give_back(self, database: str, lock_id: str) -> None:
        """Clear the lease if it is that one; the fence stays."""

    def held(self) -> list[HeldLease]:
        """All leases that stand."""

    def close(self) -> None:
        """Close the connection."""


class TableUnavailable(Exception):
    """The table did not answer, or not now. What was asked may have happened."""


class Throttled(TableUnavailable):
    """The table is asked more often than it answers. What was asked has not happened."""


def superseded(database: str, term: int, later: int) -> LeaseLost:
    """Return the error of a leader whose time is over."""
    return LeaseLost(
        f"another node leads by now: term {later} has written to {database!r}, and this one is of"
        f" term {term}; nothing was written"
    )


@dataclass(slots=True)
class Lease:
    """A lease that is held. `waited_ms` is the wait for it; `released` is set at the end.

    One that is `in_doubt` at its end is left to run out: its next holder takes it over.
    """

    held: HeldLease
    taken_over: bool
    waited_ms: float
    clock: Clock
    released: bool = False
    in_doubt: bool = False

    def doubt(self) -> None:
        """Leave the lease standing if it ends before `settle`."""
        self.in_doubt = True

    def settle(self) -> None:
        """Let it be given back at its end again."""
        self.in_doubt = False

    def check(self) -> None:
        """Raise LeaseLost if its time has run out: the last step before a commit."""
        now_s = self.clock.now()
        if now_s >= self.held.expires_at_s:
            raise LeaseLost(
                f"the lease on {self.held.database!r} ran out before the commit;"
                " nothing was written",
                expired_at=self.held.expires_at_s,
                late_s=round(now_s - self.held.expires_at_s, 3),
            )
