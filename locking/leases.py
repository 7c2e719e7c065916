"""Taking a lease and giving it back: waiting, retrying, and never holding it past its use."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import inf
from uuid import uuid4

from locking.clock import Clock
from locking.lease import Claim, Held, Lease, LeaseTable, TableUnavailable, Taken
from sqlatch.errors import LeaseBusy, StorageError

MARGIN_S = 2.0
"""What a lease lasts beyond its request's deadline: the time that a commit may take."""

WAIT_FIRST_S = 0.005
WAIT_MAX_S = 0.1
"""Waits between two tries start here, double, and end there; each is cut by chance to 50-100 %.

At 30 ms the worst of eight writers would wait less than half as long, but each try is a call that
is paid (7.3 a write instead of 4.7), and DynamoDB takes 1,000 writes a second for one item: 27
waiters would reach that, with 100 ms it takes 80.
"""

RELEASE_TRIES_MAX = 3


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
    ) -> Iterator[Lease]:
        """The lease on a database, until the block ends; waits for it until the deadline.

        `holder` says who asks, for others to read. The lease lasts MARGIN_S past the deadline, or
        past `use_s` after it was taken, for a holder whose use has no deadline of its own.
        LeaseBusy if another holds it all that time, or for `patience_s`; StorageError if the table
        does not answer.
        """
        lease = self._acquire(database, holder, deadline_s, patience_s, use_s)
        try:
            yield lease
        finally:
            lease.released = self._release(database, lease.held.lock_id)

    def held(self) -> list[Held]:
        """All leases that stand, expired or not; StorageError if the table does not answer."""
        try:
            return self._table.held()
        except TableUnavailable as error:
            raise StorageError(f"the lease table does not answer: {error}") from error

    def close(self) -> None:
        self._table.close()

    def _acquire(
        self,
        database: str,
        holder: str,
        deadline_s: float,
        patience_s: float,
        use_s: float | None,
    ) -> Lease:
        started_s = self._clock.now()
        claim = Claim(database, str(uuid4()), holder, started_s, deadline_s + MARGIN_S)
        perhaps_taken = False
        for wait_s in self._waits():
            now_s = self._clock.now()
            used_until_s = deadline_s if use_s is None else now_s + use_s
            claim = replace(claim, now_s=now_s, expires_at_s=used_until_s + MARGIN_S)
            failure: Held | TableUnavailable
            try:
                answer = self._table.take(claim)
            except TableUnavailable as error:
                perhaps_taken = True
                failure = error
                waits_until_s = deadline_s
            else:
                if isinstance(answer, Taken):
                    waited_ms = self._waited_ms(started_s)
                    return Lease(answer.held, answer.taken_over, waited_ms, self._clock)
                failure = answer
                waits_until_s = min(deadline_s, started_s + patience_s)
            left_s = waits_until_s - self._clock.now()
            if left_s <= 0:
                break
            self._clock.sleep(min(wait_s, left_s))
        if perhaps_taken:
            self._release(database, claim.lock_id)
        raise _refusal(database, failure, self._waited_ms(started_s))

    def _release(self, database: str, lock_id: str) -> bool:
        """Give the lease back; whether that is certain. If not, it ends by itself."""
        for wait_s, _try in zip(self._waits(), range(RELEASE_TRIES_MAX), strict=False):
            try:
                self._table.give_back(database, lock_id)
            except TableUnavailable:
                self._clock.sleep(wait_s)
            except StorageError:
                return False
            else:
                return True
        return False

    def _waits(self) -> Iterator[float]:
        wait_s = WAIT_FIRST_S
        while True:
            yield wait_s * (0.5 + self._clock.chance() / 2)
            wait_s = min(2 * wait_s, WAIT_MAX_S)

    def _waited_ms(self, started_s: float) -> float:
        return round((self._clock.now() - started_s) * 1000, 3)


def _refusal(
    database: str, failure: Held | TableUnavailable, waited_ms: float
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
