"""The wait of a contender between two tries: the longer, the more others it sees waiting."""

from collections.abc import Callable, Iterator
from contextvars import ContextVar

from .lease import HeldLease

WAIT_FIRST_S = 0.005
WAIT_MAX_S = 0.075
"""Waits between two tries start here, double, and end there; each is cut randomly to 50-100 %.

Shorter ones would shorten the longest wait of a few writers, but each try is a call that is paid.
"""

FEW = 8
EACH_S = 0.03
"""The wait for each writer that seems to be ahead, beyond a few: about the time of one write.

So a contender comes back when most of those ahead of it have written, and again after most of the
rest: one that has waited long tries more often than a new one, and the tries of any number of
them come to some hundred a second. DynamoDB takes 1,000 writes a second for one item.
"""

THROTTLED_FIRST_S = 0.2
THROTTLED_MAX_S = 3.2
CALMS_BY = 0.8
"""Waits where DynamoDB throttles: the first, which doubles up to the second; each answer
that gets through takes a fifth off."""


WAITS: ContextVar[Callable[[str | None], None] | None] = ContextVar("waits", default=None)
"""Called in this thread when a request begins to wait for the lease on a database, with its name,
and with None when the wait is over. Not called for a lease that is free at the first try."""


def tell(database: str | None) -> None:
    """Tell who wants to know that a wait begins, or is over."""
    if (told := WAITS.get()) is not None:
        told(database)


def waits(chance: Callable[[], float]) -> Iterator[float]:
    """Yield the waits of a contender that knows nothing of the others."""
    wait_s = WAIT_FIRST_S
    while True:
        yield wait_s * (0.5 + chance() / 2)
        wait_s = min(2 * wait_s, WAIT_MAX_S)


class Queue:
    """The other contenders, as far as one has seen them since its first try.

    Each lease says how many were granted to others while its holder waited (`HeldLease.ahead`):
    about as many are ahead of a new contender. The fence says how many of them had their turn.
    """

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._waits = waits(chance)
        self._first_fence: int | None = None
        self._last_fence = 0
        self._length = 0.0
        self._throttled_s = 0.0

    @property
    def passed(self) -> int:
        """The number of leases granted to others meanwhile, as far as is known."""
        return 0 if self._first_fence is None else self._last_fence - self._first_fence

    def see(self, held: HeldLease) -> None:
        """Note the lease that is in the way."""
        self._throttled_s *= CALMS_BY
        if self._first_fence is None:
            self._first_fence, self._length = held.fence, held.ahead
        elif held.fence != self._last_fence:
            self._length = (self._length + held.ahead) / 2
        self._last_fence = held.fence

    def see_throttling(self) -> None:
        self._throttled_s = min(max(2 * self._throttled_s, THROTTLED_FIRST_S), THROTTLED_MAX_S)

    def wait_s(self, left_s: float) -> float:
        """Return how long to wait before the next try, for a contender that gives up in `left_s`.

        At most half of that for those ahead, whose number is an estimate.
        """
        ahead_s = EACH_S * (self._length - self.passed - FEW)
        longer_s = max(min(ahead_s, left_s / 2), self._throttled_s)
        return max(next(self._waits), longer_s * (0.5 + self._chance() / 2))
