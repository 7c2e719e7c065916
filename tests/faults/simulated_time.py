"""Time that only a scheduler moves: threads that run one at a time, in an order that a seed gives.

A thread hands over at each `sleep`, and nowhere else, so the same seed is the same run.
"""

import heapq
import threading
from collections.abc import Callable
from itertools import count

HANDOVER_S = 20.0
"""Real seconds after which a thread that does not hand over is a fault of the simulation."""

STEPS_MAX = 2_000_000


class Over(BaseException):
    """The run is over; raised in the threads that are left."""


class Timeline:
    """True time, in epoch seconds, and what is to happen at which of it."""

    def __init__(self, start_s: float) -> None:
        self.now_s = start_s
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._scheduler = threading.Semaphore(0)
        self._waiting: set[threading.Semaphore] = set()
        self._failure: BaseException | None = None
        self._over = False

    def at(self, time_s: float, happens: Callable[[], None]) -> None:
        """Let something happen at that time; what falls together happens in order of its asking."""
        heapq.heappush(self._events, (time_s, next(self._numbers), happens))

    def sleep(self, seconds: float) -> None:
        """Called by the thread whose turn it is: others run until that time has come."""
        wakes_at_s = self.now_s + seconds
        if self._over:
            raise Over
        if not self._events or wakes_at_s < self._events[0][0]:
            self.now_s = wakes_at_s  # Nobody comes before: no need to hand over.
            return
        turn = self._turn_at(wakes_at_s)
        self._scheduler.release()
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
            self._scheduler.release()

        turn = self._turn_at(time_s)
        threading.Thread(target=run, daemon=True).start()

    def run(self) -> None:
        """Let everything happen; raise what a thread raised."""
        try:
            for _step in range(STEPS_MAX):
                if not self._events or self._failure:
                    break
                time_s, _number, happens = heapq.heappop(self._events)
                self.now_s = max(self.now_s, time_s)
                happens()
            else:
                raise AssertionError(f"no end after {STEPS_MAX} steps")
        finally:
            self._over = True
            for turn in list(self._waiting):
                self._give(turn)
        if self._failure:
            raise self._failure

    def _turn_at(self, time_s: float) -> threading.Semaphore:
        turn = threading.Semaphore(0)
        self._waiting.add(turn)
        self.at(time_s, lambda: self._give(turn))
        return turn

    def _give(self, turn: threading.Semaphore) -> None:
        """Give a thread its turn, and wait until it hands over or ends."""
        self._waiting.discard(turn)
        turn.release()
        if not self._scheduler.acquire(timeout=HANDOVER_S):
            raise AssertionError("a thread does not hand over")

    def _await(self, turn: threading.Semaphore) -> None:
        turn.acquire()
        if self._over:
            raise Over
