"""The workers: processes of the service, as many as there are requests at the same time."""

import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlatch.kernel.node import is_of_log
from sqlatch.server.candidate import CandidateProcess
from sqlatch.server.gateway import Answer, Event, refusal
from sqlatch.server.log_worker import LogWorker
from sqlatch.server.worker import Worker, WorkerEnded

CHECK = "check"
"""In place of an event: the worker answers with what is wrong with its settings, or null."""

LINE = "line"
"""In an answer: what the worker's log says of the request."""


class Queue:
    """The number of those who are inside its block."""

    def __init__(self) -> None:
        self.length = 0
        self._changing = threading.Lock()

    def __enter__(self) -> None:
        with self._changing:
            self.length += 1

    def __exit__(self, *_error: object) -> None:
        with self._changing:
            self.length -= 1


class Workers:
    """Workers that are started when they are needed, as Lambda starts instances.

    There are at most `at_once`, one for the schedule, and one for those who watch. The worker that
    was used last is asked first, so that its caches are warm and no more are started than are
    needed.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        options: Sequence[str] = (),
        *,
        at_once: int = 1,
        note: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        self._turns = threading.BoundedSemaphore(at_once + 1)
        self._turn_beside = threading.Semaphore()
        self._queue = Queue()
        self._environment = environment
        self._options = options
        self._note = note
        self._idle: deque[Worker] = deque()
        self._all: set[Worker] = set()
        self._logs = LogWorker(environment, options)
        self._candidate = CandidateProcess(environment, options)

    def problem(self) -> str | None:
        """Return what is wrong with the settings or with the place of the databases."""
        worker = self._start()
        problem: str | None = worker.ask(CHECK)
        self._idle.append(worker)
        return problem

    def stand(self) -> None:
        """Stand for the lease of the leader, if that decides who leads."""
        self._candidate.start()

    def answer(self, event: Event) -> Answer:
        """Return the answer of a worker, in turn."""
        if is_of_log(str(event.get("rawPath", ""))):
            return self._logs.answer(event)
        if not self._turns.acquire(blocking=False):
            with self._queue:
                self._turns.acquire()
        try:
            return self._answer(event)
        finally:
            self._turns.release()

    def answer_beside(self, event: Event) -> Answer:
        """Return the answer to one who watches: a worker beside the others, for one at a time."""
        with self._turn_beside:
            return self._answer(event)

    def waiting(self) -> dict[str, Any]:
        """Return how many requests wait at this moment: for a lease by database, and for a turn."""
        waits = Counter(worker.waits for worker in list(self._all) if worker.waits is not None)
        return {"leases": dict(sorted(waits.items())), "turns": self._queue.length}

    def _answer(self, event: Event) -> Answer:
        while True:
            try:
                worker = self._idle.pop()
            except IndexError:
                worker = self._start()
            try:
                answer: Answer = worker.ask(event)
            except WorkerEnded as ended:
                self._all.discard(worker)
                sys.stderr.write(f"a worker has ended: {ended}\n")
                if ended.began:
                    return refusal(500, "the worker that had the request has ended")
                continue
            self._idle.append(worker)
            line = answer.pop(LINE, None)
            if line is not None and self._note is not None:
                self._note(line)
            return answer

    def end(self) -> None:
        """End the workers, each after the request that it answers."""
        for worker in list(self._all):
            worker.end()
        self._logs.end()
        self._candidate.end()

    def _start(self) -> Worker:
        worker = Worker(self._environment, self._options)
        self._all.add(worker)
        return worker
