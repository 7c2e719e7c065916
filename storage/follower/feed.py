"""Records of a followed log that arrive while nobody asks, in a thread of their own."""

import threading
import time
from collections import deque
from collections.abc import Callable

from sqlatch.kernel.errors import SqlatchError
from storage.follower.remote import RemoteLog
from storage.log.log import PIECE_BYTES, Gone, Place, Record

PAUSE_S = 0.2
PAUSE_S_MAX = 5.0
"""Between two questions to a node that does not answer: twice as long each time, up to this."""

IDLE_S = 30.0
"""A feed that nobody has taken from for so long asks no more until somebody does."""

CALL_S = 5.0
"""The time for a question, beyond the time that the other node waits for a record."""


class Feed:
    """Records that have arrived behind a place. The thread ends with its process, or by `close`.

    `wait_s` is how long the other node is asked to wait for a record before it says that there is
    none: so old may be what is known here, while nothing is written.
    """

    def __init__(
        self, log: RemoteLog, wait_s: float, *, now: Callable[[], float] = time.time
    ) -> None:
        self._log = log
        self._wait_s = wait_s
        self._now = now
        self._changed = threading.Condition()
        self._arrived: deque[Record] = deque()
        self._arrived_bytes = 0
        self._known_s: float | None = None
        self._taken_s = now()
        self._wanted = self._end = log.place.txid
        self._is_closed = False
        self.failure: SqlatchError | None = None
        """Why the other node did not answer the last time; None if it did."""
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._thread.start()

    def take(self, after: int) -> tuple[list[Record], float | None]:
        """Return the records behind a position, and when they were the newest, in epoch seconds.

        None: it is not known. From here on the feed goes on behind them.
        """
        with self._changed:
            self._taken_s, self._wanted = self._now(), after
            self._drop_what_is_there()
            records = list(self._arrived)
            self._wanted = records[-1].txid if records else after
            self._arrived.clear()
            self._arrived_bytes = 0
            self._changed.notify()
            return records, self._known_s if self._wanted >= self._end else None

    def close(self) -> None:
        """Have the thread end when its question is answered."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def join(self) -> None:
        """Wait until the thread has ended."""
        self._thread.join()

    def _drop_what_is_there(self) -> None:
        """Drop what the copy has by now; everything, if that does not follow it."""
        while self._arrived and self._arrived[0].txid <= self._wanted:
            self._arrived_bytes -= len(self._arrived.popleft().content)
        if self._arrived and self._arrived[0].txid != self._wanted + 1:
            self._arrived.clear()
            self._arrived_bytes = 0
            self._known_s = None
            self._end = self._wanted

    def _run(self) -> None:
        pause_s = PAUSE_S
        while self._may_go_on():
            asked_s = self._now()
            try:
                records = self._log.wait(self._wait_s, asked_s + self._wait_s + CALL_S)
            except Gone:
                # Whoever reads meets the same, and begins anew.
                self._wait(self._has_gone_on)
                continue
            except SqlatchError as error:
                self.failure = error
                self._wait(bool, pause_s)
                pause_s = min(2 * pause_s, PAUSE_S_MAX)
                continue
            pause_s, self.failure = PAUSE_S, None
            with self._changed:
                self._arrived.extend(records)
                self._arrived_bytes += sum(len(record.content) for record in records)
                self._end = self._log.place.txid
                if not self._log.has_more:
                    self._known_s = asked_s + self._log.waited_s
                self._drop_what_is_there()

    def _may_go_on(self) -> bool:
        """Wait for room. Go on behind what has arrived, or behind the copy."""
        with self._changed:
            while self._has_enough() and not self._is_closed:
                self._known_s = None
                self._changed.wait()
            if not self._arrived and self._end != self._wanted:
                self._end, self._known_s = self._wanted, None
                self._log.place = Place(self._log.place.epoch, 0, self._wanted)
            return not self._is_closed

    def _has_enough(self) -> bool:
        is_idle = self._now() - self._taken_s > IDLE_S
        return self._arrived_bytes >= PIECE_BYTES or is_idle

    def _has_gone_on(self) -> bool:
        return self._wanted != self._log.place.txid

    def _wait(self, until: Callable[[], bool], pause_s: float | None = None) -> None:
        with self._changed:
            self._known_s = None
            self._changed.wait_for(lambda: until() or self._is_closed, pause_s)
