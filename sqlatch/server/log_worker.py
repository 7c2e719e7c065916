"""The worker that serves logs to other nodes: one process, which answers many requests at a time.

A node that follows this one waits for the next record with its question. So its questions must not
stand in the way of requests, each of which has a worker of its own.
"""

import json
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from itertools import count
from typing import Any

from sqlatch.server.gateway import Answer, Event, refusal
from sqlatch.server.worker import Worker

OPTION = "--many"
AT_ONCE = 64
"""Questions at the same time; each waits in a thread of the server and one of this worker."""


class LogWorker:
    """The process, which is started with the first question."""

    def __init__(self, environment: Mapping[str, str], options: Sequence[str] = ()) -> None:
        self._environment = environment
        self._options = options
        self._making = threading.Lock()
        self._process: _Process | None = None

    def answer(self, event: Event) -> Answer:
        """Return the answer of the process; one that has ended is started again by the next."""
        with self._making:
            if self._process is not None and self._process.has_ended:
                self._process.end()
                self._process = None
            if self._process is None:
                self._process = _Process(self._environment, [*self._options, OPTION])
            process = self._process
        answer: Answer | None = process.ask(event)
        return answer or refusal(500, "the worker that had the request has ended")

    def end(self) -> None:
        with self._making:
            if self._process is not None:
                self._process.end()


class _Process(Worker):
    def __init__(self, environment: Mapping[str, str], options: Sequence[str]) -> None:
        super().__init__(environment, options)
        self.has_ended = False
        self._numbers = count()
        self._waiting: dict[int, Future[Answer | None]] = {}
        self._writing = threading.Lock()
        threading.Thread(target=self._read, daemon=True).start()

    def ask(self, event: Event | str) -> Any:
        """Return the answer; None if the process ended."""
        future = Future[Answer | None]()
        with self._writing:
            if self.has_ended:
                return None
            number = next(self._numbers)
            self._waiting[number] = future
            try:
                self._events.write(json.dumps([number, event]).encode() + b"\n")
                self._events.flush()
            except OSError:
                return None
        return future.result()

    def _read(self) -> None:
        for line in self._answers:
            number, answer = json.loads(line)
            self._waiting.pop(number).set_result(answer)
        with self._writing:
            self.has_ended = True
            waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            future.set_result(None)
