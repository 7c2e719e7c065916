"""The workers: processes of the service, each of which answers one request at a time."""

import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlatch
from sqlatch.server.gateway import Answer, Event, refusal

CHECK = "check"
"""In place of an event: the worker answers with what is wrong with its settings, or null."""

END_S = 5
"""How long a worker may go on with its request after the server has ended."""


class WorkerEnded(Exception):
    """A worker has ended before it has answered; `began` if it may have read the event."""

    def __init__(self, exit_code: int, *, began: bool) -> None:
        super().__init__(f"exit code {exit_code}")
        self.began = began


class Worker:
    """A process that answers the events that are written to it, a line of JSON each."""

    def __init__(self, environment: Mapping[str, str], options: Sequence[str]) -> None:
        process = subprocess.Popen(
            # -P: a module in the current directory is not loaded in place of one of the service.
            [sys.executable, "-P", "-m", "handler.local_worker", *options],
            env={**environment, "PYTHONPATH": _python_path(environment)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self._events, self._answers = process.stdin, process.stdout

    def ask(self, event: Event | str) -> Any:
        """Return the answer to an event; WorkerEnded if there is none."""
        try:
            self._events.write(json.dumps(event).encode() + b"\n")
            self._events.flush()
        except OSError as error:
            raise WorkerEnded(self.end(), began=False) from error
        line = self._answers.readline()
        if not line.endswith(b"\n"):
            raise WorkerEnded(self.end(), began=True)
        return json.loads(line)

    def end(self) -> int:
        """Let the process end, which it does when it has answered; return its exit code."""
        with suppress(OSError):  # What could not be written is of no use to a process that ended.
            self._events.close()
        try:
            code = self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self._answers.close()
        return code


class Workers:
    """Workers that are started when they are needed, as Lambda starts instances.

    There are at most as many as threads that ask, of which the schedule is one. The worker that was
    used last is asked first, so that its caches are warm and no more are started than are needed.
    """

    def __init__(self, environment: Mapping[str, str], options: Sequence[str] = ()) -> None:
        self._environment = environment
        self._options = options
        self._idle: deque[Worker] = deque()
        self._all: set[Worker] = set()

    def problem(self) -> str | None:
        """Return what is wrong with the settings or with the place of the databases."""
        worker = self._start()
        problem: str | None = worker.ask(CHECK)
        self._idle.append(worker)
        return problem

    def answer(self, event: Event) -> Answer:
        """Return the answer of a worker."""
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
            return answer

    def end(self) -> None:
        """End the workers, each after the request that it answers."""
        for worker in list(self._all):
            worker.end()

    def _start(self) -> Worker:
        worker = Worker(self._environment, self._options)
        self._all.add(worker)
        return worker


def _python_path(environment: Mapping[str, str]) -> str:
    """Return the path on which a worker finds the packages of the service, and only a worker.

    In the wheel they lie in a directory of their own, in a checkout beside this package.
    """
    here = Path(sqlatch.__file__).parent
    packed = here / "_service"
    own = packed if packed.is_dir() else here.parent
    return os.pathsep.join([str(own), *filter(None, [environment.get("PYTHONPATH")])])
