"""The turn of a writer that others keep overtaking: an item that asks them to wait a moment.

It is a courtesy, so that a long transaction gets on among short ones. Nothing depends on it. The
item is never deleted: who writes need not be allowed to delete anything.
"""

import os
import time
from collections.abc import Callable
from contextlib import suppress

from storage.log.answers import NoAnswer
from storage.log.table import Item, Table

TURN = 10**30
"""The key of the item, behind those of all records: whoever asks for records is told of it."""

LOSSES_MAX = 3
"""After more than these in a row a writer lets others go first (`order.py`), and asks the table."""

PATIENCE_S = 0.25
"""After that time of losses a writer asks for its turn."""

TURN_S = 2.0
"""How long others wait, by their own clock. Then they go on, and say that it is nobody's turn."""

POLL_S = 0.05
ID_BYTES = 16
NOBODY = bytes(ID_BYTES)


class Turn:
    """The turns at one database, as one writer knows them."""

    def __init__(
        self,
        database: str,
        table: Table,
        *,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None],
    ) -> None:
        self.losses = 0
        self._database = database
        self._table = table
        self._now = now
        self._sleep = sleep
        self._id = os.urandom(ID_BYTES)
        self._is_asked_for = False
        self._lost_first_s = 0.0
        self._holder = NOBODY
        self._since_s = 0.0

    @property
    def may_try_at_once(self) -> bool:
        """Return whether the winner's record will do, and it is not time to ask."""
        return self.losses % (LOSSES_MAX + 1) != 0

    @property
    def is_own(self) -> bool:
        return self._is_asked_for

    @property
    def is_anothers(self) -> bool:
        return self._holder not in {NOBODY, self._id}

    def seen(self, holder: bytes | None) -> None:
        """Note whose turn it is, as the table said a moment ago; None if it has no item."""
        holder = holder or NOBODY
        if holder != self._holder:
            self._holder, self._since_s = holder, self._now()

    def lost(self) -> None:
        """Another commit was first."""
        if not self.losses:
            self._lost_first_s = self._now()
        self.losses += 1

    def committed(self) -> None:
        self.losses = 0
        if self._is_asked_for:
            self._is_asked_for = False
            with suppress(NoAnswer):
                self._put(NOBODY, of=self._id)

    def must_wait(self, deadline_s: float) -> bool:
        """Wait a moment if another has the turn, and return True: ask the table again.

        Else ask for the turn, if it is time for that, or end that of one who does not use it.
        """
        if self.is_anothers:
            waited_s = self._now() - self._since_s
            if 0 <= waited_s < TURN_S and self._now() < deadline_s:
                self._sleep(POLL_S)
                return True
        with suppress(NoAnswer):
            if self._has_lost_for_long and not self._is_asked_for:
                self._is_asked_for = self._put(self._id, of=self._holder)
            elif self.is_anothers:
                self._put(NOBODY, of=self._holder)
        return False

    @property
    def _has_lost_for_long(self) -> bool:
        return self.losses > LOSSES_MAX and self._now() - self._lost_first_s > PATIENCE_S

    def _put(self, holder: bytes, *, of: bytes) -> bool:
        item: Item = {"pk": self._database, "sk": TURN, "id": holder}
        return self._table.put_in_place(item, of=of)
