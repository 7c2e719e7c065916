"""The order of the writers that meet at one database: who committed longest ago goes next.

Each record names its writer, so that every writer knows the same of the others without a call of
its own. It is a courtesy, as a turn is: nothing depends on it.
"""

import os
import random
from collections.abc import Callable

WRITER_BYTES = 8

WRITERS_MAX = 256
"""Writers that are remembered: more do not meet at one database."""

FEW = 3
"""With fewer than these ahead a writer tries: to lose to them takes less time than to wait."""

ATTEMPT_S, ATTEMPT_MAX_S = 0.006, 0.5
"""From the newest state to the answer of the put: as long as none was measured, and at most."""

SPACING = 1.25
"""Attempts between two commits: the next writer has to learn of one first."""
JITTER_MIN, JITTER = 0.7, 0.4
"""Waits are cut randomly, so that writers that began together do not stay together."""

LATE = 1.5
WAIT_MAX_S = 1.0
"""A writer goes on when it has waited for one and a half rounds, or that long."""


class Order:
    """The others that commit to a database, as one writer of it sees them.

    A round is what lies between two commits of this writer. Who committed in the last one, and has
    not in this one, is ahead.
    """

    def __init__(
        self, *, now: Callable[[], float], chance: Callable[[], float] = random.random
    ) -> None:
        self.writer = os.urandom(WRITER_BYTES)
        self._now = now
        self._chance = chance
        self._round: set[bytes] = set()
        self._since: set[bytes] = set()
        self._began_s: float | None = None
        self._knew_s: float | None = None
        self._committed_s = float("-inf")
        self._took_s = 0.0
        self._attempt_s = ATTEMPT_S

    @property
    def is_alone(self) -> bool:
        """Return whether nobody else committed in the last round."""
        return not self._round

    def saw(self, writer: bytes) -> None:
        """Note whose record was read."""
        if writer != self.writer and len(self._since) < WRITERS_MAX:
            self._since.add(writer)

    def began(self) -> None:
        """Note that a write goes on from here, which may be its beginning."""
        if self._began_s is None:
            self._began_s = self._now()

    def knows(self) -> None:
        """Note that the newest state is known: an attempt begins."""
        self._knew_s = self._now()

    def attempted(self) -> None:
        knew_s, self._knew_s = self._knew_s, None
        if knew_s is not None:
            self._attempt_s = min(max(self._now() - knew_s, 0.0), ATTEMPT_MAX_S)

    def committed(self) -> None:
        self._round, self._since = self._since, set()
        self._committed_s = self._now()
        if self._began_s is not None:
            self._took_s = self._committed_s - self._began_s
            self._began_s = None

    def wait_s(self, *, has_lost: bool) -> float:
        """Return how long to wait before the log is asked, so that others have their time.

        A new write comes a round after the last one, if that one had to wait as long.
        """
        if has_lost:
            return self._ahead_s()
        round_s = min(self._slots_s(len(self._round)), self._took_s)
        passed_s = self._now() - self._committed_s
        return max(0.0, round_s - passed_s) if passed_s >= 0 else 0.0

    def longer_s(self) -> float:
        """Return how long to wait again, if the log was asked and others are still ahead."""
        late_s = self._committed_s + LATE * self._slots_s(len(self._round))
        if len(self._round - self._since) < FEW or self._now() >= late_s:
            return 0.0
        return self._ahead_s()

    def _ahead_s(self) -> float:
        return self._slots_s(len(self._round - self._since))

    def _slots_s(self, writers: int) -> float:
        slot_s = SPACING * self._attempt_s * (JITTER_MIN + JITTER * self._chance())
        return min(writers * slot_s, WAIT_MAX_S)
