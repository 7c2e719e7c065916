"""Time that only a scheduler moves: threads that run one at a time, in an order that a seed gives.

A thread hands over at each `sleep`, and nowhere else, so the same seed is the same run. Whoever
hands over wakes the next one: a switch is one, and no thread has to run in between.
"""

import heapq
import threading
from collections.abc import Callable
from itertools import count

HANDOVER_S = 20.0
"""Real seconds in which no thread hands over: a fault of the simulation."""

STEPS_MAX = 2_000_000


class Over(BaseException):
    """The run is over; raised in the threads that are left."""


class Timeline:
    """True time, in epoch seconds, and what is to happen at which of it."""

    def __init__(self, start_s: float) -> None:
        self.now_s = start_s
        self._events: list[tuple[float, int, Callable[[], bool]]] = []
        self._numbers = count()
        self._steps = 0
        self._stopped = _closed()
        self._waiting: set[threading.Lock] = set()
        self._failure: BaseException | None = None
        self._over = False

    def at(self, time_s: float, happens: Callable[[], None]) -> None:
        """Let something happen at that time; what falls together happens in order of its asking."""

        def happening() -> bool:
            happens()
            return False

        self._push(time_s, happening)

    def sleep(self, seconds: float) -> None:
        """Called by the thread whose turn it is: others run until that time has come."""
        wakes_at_s = self.now_s + seconds
        if self._over:
            raise Over
        if not self._events or wakes_at_s < self._events[0][0]:
            self.now_s = wakes_at_s  # Nobody comes before: no need to hand over.
            return
        turn = self._turn_at(wakes_at_s)
        self._hand_over()
        self._await(turn)

    def start(self, body: Callable[[], None], time_s: float) -> None:
        """Run a function as a thread of the simulation, from that time on."""

        def run() -> None:
            try:
                self._await(turn)
                body()
            except Over:
                pass
            except BaseException as error:  # noqa: BLE001 (`run` raises it again)
                self._failure = self._failure or error
            self._hand_over()

        turn = self._turn_at(time_s)
        threading.Thread(target=run, daemon=True).start()

    def run(self) -> None:
        """Let everything happen; raise what a thread raised."""
        try:
            self._hand_over()
            self._await_stop()
        finally:
            self._over = True
            for turn in list(self._waiting):
                self._waiting.discard(turn)
                turn.release()
                self._await_stop()
        if self._failure:
            raise self._failure

    def _turn_at(self, time_s: float) -> threading.Lock:
        turn = _closed()
        self._waiting.add(turn)

        def give() -> bool:
            self._waiting.discard(turn)
            turn.release()
            return True

        self._push(time_s, give)
        return turn

    def _push(self, time_s: float, happens: Callable[[], bool]) -> None:
        heapq.heappush(self._events, (time_s, next(self._numbers), happens))

    def _hand_over(self) -> None:
        """Let happen what is next, up to the turn of a thread, or stop if there is nothing left."""
        try:
            while self._events and not self._failure and not self._over:
                time_s, _number, happens = heapq.heappop(self._events)
                self.now_s = max(self.now_s, time_s)
                self._steps += 1
                assert self._steps < STEPS_MAX, f"no end after {STEPS_MAX} steps"
                if happens():
                    return
        except BaseException as error:  # noqa: BLE001 (`run` raises it again)
            self._failure = self._failure or error
        self._stopped.release()

    def _await_stop(self) -> None:
        steps = -1
        while not self._stopped.acquire(timeout=HANDOVER_S):
            assert steps != self._steps, "a thread does not hand over"
            steps = self._steps

    def _await(self, turn: threading.Lock) -> None:
        turn.acquire()
        if self._over:
            raise Over


def _closed() -> threading.Lock:
    """Return a lock that opens once, for whoever waits for it."""
    lock = threading.Lock()
    lock.acquire()
    return lock
