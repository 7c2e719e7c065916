"""The thread that interrupts a statement which still runs at its deadline."""

import os
import threading
import time
from collections.abc import Hashable
from functools import cache
from math import inf
from typing import Protocol

AGAIN_S = 0.02
"""How often a statement that is late is interrupted: SQLite forgets an interrupt that it meets
between two statements."""


class Interruptible(Protocol):
    """A connection of apsw: `interrupt` may be called from any thread."""

    def interrupt(self) -> None: ...


class Watchdog:
    """Watches the statements of a process.

    SQLite asks a progress handler every so many opcodes, and one opcode may count a whole table or
    copy a value of 16 MiB. An interrupt it meets at the next turn of a loop. The thread sleeps to
    the earliest end that it knows, so requests that come and go in time wake nothing.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._watched: dict[Hashable, tuple[Interruptible, float]] = {}
        self._wakes_at_s = inf
        self._thread: threading.Thread | None = None

    def watch(self, statement: Hashable, connection: Interruptible, left_s: float) -> None:
        """Interrupt the connection after that time, unless the statement is forgotten before."""
        ends_at_s = time.monotonic() + left_s
        with self._lock:
            self._watched[statement] = (connection, ends_at_s)
            if ends_at_s >= self._wakes_at_s:
                return
            self._wakes_at_s = ends_at_s
            if self._thread is not None:
                self._changed.notify()
                return
            self._thread = threading.Thread(target=self._run, name="sqlatch-watchdog", daemon=True)
            self._thread.start()

    def forget(self, statement: Hashable) -> None:
        """The statement is over: what the connection does next is not interrupted."""
        with self._lock:
            self._watched.pop(statement, None)

    def end(self) -> None:
        """End the thread, unless it watches a statement; the next one to be watched begins it."""
        with self._lock:
            if self._watched:
                return
            thread, self._thread = self._thread, None
            self._wakes_at_s = inf
            self._changed.notify_all()
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        with self._lock:
            while self._thread is threading.current_thread():
                now_s = time.monotonic()
                for connection, ends_at_s in self._watched.values():
                    if ends_at_s <= now_s:
                        connection.interrupt()
                earliest_s = min(
                    (ends for _connection, ends in self._watched.values()), default=inf
                )
                self._wakes_at_s = max(earliest_s, now_s + AGAIN_S)
                self._changed.wait(None if earliest_s == inf else self._wakes_at_s - now_s)


@cache
def watchdog() -> Watchdog:
    """The watchdog of this process; a fork, into which no thread comes along, has its own."""
    os.register_at_fork(after_in_child=watchdog.cache_clear)
    return Watchdog()
