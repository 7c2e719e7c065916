"""The courtesy among the writers of one log: who goes first, who waits, and for how long.

Nothing depends on it: the key of a record lets only one of them commit.
"""

import random
from collections.abc import Callable

from storage.log.log import Record
from storage.log.order import Order
from storage.log.table import Table
from storage.log.turn import Turn

BLIND_MAX = 8
"""Appends in a row without a question: another writer may have asked for its turn."""


class Courtesy:
    """The view that one writer has of the others: their order, and whose turn it is."""

    def __init__(
        self,
        database: str,
        table: Table,
        *,
        now: Callable[[], float],
        sleep: Callable[[float], None],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._now = now
        self._sleep = sleep
        self._turn = Turn(database, table, now=now, sleep=sleep)
        self._order = Order(now=now, chance=chance)
        self._blind_left = 0
        self._has_asked = False

    @property
    def writer(self) -> bytes:
        """The id of this writer, which its records bear."""
        return self._order.writer

    @property
    def goes_first(self) -> bool:
        """Return whether a question would bring nothing that a refusal does not bring."""
        if self._turn.losses:
            # Behind the first loss of who did not ask there may be others.
            return (self._turn.losses > 1 or self._has_asked) and self._turn.may_try_at_once
        return self._blind_left > 0 and self._order.is_alone

    def asked(self, holder: bytes | None, *, has_news: bool) -> None:
        """Note what a question has brought: whose turn it is, and whether there are records."""
        self._turn.seen(holder)
        self._blind_left = 0 if has_news or self._turn.is_anothers else BLIND_MAX

    def saw(self, writer: bytes) -> None:
        """Note whose record was read."""
        self._order.saw(writer)

    def ready(self, sync: Callable[[float], list[Record]], deadline_s: float) -> list[Record]:
        """Ask the log when those have had their time who are due before this writer."""
        self._order.began()
        records = self._in_order(sync, deadline_s)
        while self._turn.must_wait(deadline_s):
            records += sync(deadline_s)
        self._has_asked = True
        self._order.knows()
        return records

    def appends(self) -> None:
        self._blind_left = max(0, self._blind_left - 1)
        self._order.began()

    def lost(self) -> None:
        """Another commit was first, and came with the refusal."""
        self._turn.lost()
        self._order.attempted()
        self._order.knows()

    def committed(self) -> None:
        self._has_asked = False
        self._turn.committed()
        self._order.attempted()
        self._order.committed()

    def _in_order(self, sync: Callable[[float], list[Record]], deadline_s: float) -> list[Record]:
        has_lost = self._turn.losses > 0
        wait_s = 0.0 if self._turn.is_own else self._order.wait_s(has_lost=has_lost)
        records: list[Record] = []
        while 0.0 < wait_s < deadline_s - self._now():
            self._sleep(wait_s)
            news = sync(deadline_s)
            records += news
            if has_lost or not news:
                return records
            wait_s = self._order.longer_s()
            if not wait_s:
                return records
        return records + sync(deadline_s)
