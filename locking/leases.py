"""Acquire a lease and release it: wait, retry, and never hold it past its use."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import inf
from uuid import uuid4

from sqlatch.kernel.errors import LeaseBusy, StorageError

from .clock import Clock
from .lease import Claim, HeldLease, Lease, LeaseTable, TableUnavailable, Taken, Throttled
from .waiting import Queue, tell, waits

MARGIN_S = 2.0
"""The time of a lease beyond its request's deadline: the time that a commit may take."""

RELEASE_S = 0.2
"""A lease is tried to be given back until the deadline of its request, and for this long at least.

Until the deadline, since nobody else writes while the lease stands, and the caller has granted that
time. Past it the reply is due: what it says is durable, and the lease ends MARGIN_S later anyway.
"""


class Leases:
    """The leases of a table."""

    def __init__(self, table: LeaseTable, *, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    @contextmanager
    def hold(
        self,
        database: str,
        *,
        holder: str,
        deadline_s: float,
        patience_s: float = inf,
        use_s: float | None = None,
        term: int | None = None,
    ) -> Iterator[Lease]:
        """The lease on a database, until the block ends; waits for it until the deadline.

        `holder` says who asks, for others to read. The lease lasts MARGIN_S past the deadline, or
        past `use_s` after it was taken, for a holder whose use has no deadline of its own. `term`
        is that of the leader who asks: LeaseLost if a later one had the lease.
        LeaseBusy if another holds it all that time, or for `patience_s`; StorageError if the table
        does not answer.
        """
        claim = Claim(database, str(uuid4()), holder, 0.0, deadline_s + MARGIN_S, term=term)
        lease = self._acquire(claim, deadline_s, patience_s, use_s)
        try:
            yield lease
        finally:
            lease.released = not lease.in_doubt and self._release(
                database, lease.held.lock_id, until_s=lease.held.expires_at_s - MARGIN_S
            )

    def held(self) -> list[HeldLease]:
        """All leases that stand, expired or not; StorageError if the table does not answer."""
        try:
            return self._table.held()
        except TableUnavailable as error:
            raise StorageError(f"the lease table does not answer: {error}") from error

    def close(self) -> None:
        self._table.close()

    def _acquire(
        self, claim: Claim, deadline_s: float, patience_s: float, use_s: float | None
    ) -> Lease:
        database = claim.database
        started_s = self._clock.now()
        queue = Queue(self._clock.chance)
        perhaps_taken = waiting = False
        while True:
            now_s = self._clock.now()
            used_until_s = deadline_s if use_s is None else now_s + use_s
            claim = replace(
                claim, now_s=now_s, expires_at_s=used_until_s + MARGIN_S, ahead=queue.passed
            )
            failure: HeldLease | TableUnavailable
            try:
                answer = self._table.take(claim)
            except TableUnavailable as error:
                failure = error
                waits_until_s = deadline_s
                if isinstance(error, Throttled):
                    queue.see_throttling()
                else:
                    perhaps_taken = True
            else:
                if isinstance(answer, Taken):
                    if waiting:
                        tell(None)
                    waited_ms = self._waited_ms(started_s)
                    return Lease(answer.held, answer.taken_over, waited_ms, self._clock)
                failure = answer
                waits_until_s = min(deadline_s, started_s + patience_s)
                queue.see(answer)
            left_s = waits_until_s - self._clock.now()
            if left_s <= 0:
                break
            if not waiting:
                waiting = True
                tell(database)
            self._clock.sleep(min(queue.wait_s(left_s), left_s))
        tell(None)
        if perhaps_taken:
            self._release(database, claim.lock_id, until_s=deadline_s)
        raise _refusal(database, failure, self._waited_ms(started_s))

    def _release(self, database: str, lock_id: str, *, until_s: float) -> bool:
        """Give the lease back and return whether it certainly was; if not, it ends by itself."""
        until_s = max(until_s, self._clock.now() + RELEASE_S)
        wait = waits(self._clock.chance)
        while True:
            try:
                self._table.give_back(database, lock_id)
            except TableUnavailable:
                wait_s = next(wait)
                if self._clock.now() + wait_s >= until_s:
                    return False
                self._clock.sleep(wait_s)
            except StorageError:
                return False
            else:
                return True

    def _waited_ms(self, started_s: float) -> float:
        return round((self._clock.now() - started_s) * 1000, 3)


def _refusal(
    database: str, failure: HeldLease | TableUnavailable, waited_ms: float
) -> LeaseBusy | StorageError:
    if isinstance(failure, TableUnavailable):
        return StorageError(f"the lease table does not answer: {failure}", waited_ms=waited_ms)
    return LeaseBusy(
        f"{failure.holder} holds the lease on {database!r}"
        f" until {failure.expires_at_s:.3f} (epoch seconds)",
        holder=failure.holder,
        expires_at=failure.expires_at_s,
        waited_ms=waited_ms,
    )
