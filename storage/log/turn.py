"""The turn of a writer that others keep overtaking: an item that asks them to wait a moment.

It is a courtesy, so that a long transaction gets on among short ones. Nothing depends on it.
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
"""After more than these in a row a writer asks for its turn."""

TURN_S = 2.0
"""How long others wait, by their own clock. Then they go on, and remove the item."""

POLL_S = 0.05
ID_BYTES = 16


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
        self._others: bytes | None = None
        self._since_s = 0.0

    @property
    def may_try_at_once(self) -> bool:
        """Return whether the winner's record is all that is new.

        Behind the first loss there may be others, and behind the last one it is time to ask.
        """
        return 1 < self.losses <= LOSSES_MAX

    @property
    def is_anothers(self) -> bool:
        return self._others is not None

    def seen(self, holder: bytes | None) -> None:
        """Note who asks for a turn, as the table said a moment ago."""
        others = None if holder == self._id else holder
        if others != self._others:
            self._others, self._since_s = others, self._now()

    def lost(self) -> None:
        """Another commit was first."""
        self.losses += 1

    def committed(self) -> None:
        self.losses = 0
        if self._is_asked_for:
            self._is_asked_for = False
            with suppress(NoAnswer):
                self._table.delete_that(self._database, TURN, of=self._id)

    def must_wait(self, deadline_s: float) -> bool:
        """Wait a moment if another has the turn, and return True: ask the table again.

        Else ask for the turn, if it is time for that, or remove that of one who does not use it.
        """
        others = self._others
        if others is not None:
            waited_s = self._now() - self._since_s
            if 0 <= waited_s < TURN_S and self._now() < deadline_s:
                self._sleep(POLL_S)
                return True
        with suppress(NoAnswer):
            if self.losses > LOSSES_MAX and not self._is_asked_for:
                item: Item = {"pk": self._database, "sk": TURN, "id": self._id}
                self._is_asked_for = self._table.put_in_place(item, of=others or self._id)
            elif others is not None:
                self._table.delete_that(self._database, TURN, of=others)
        return False
