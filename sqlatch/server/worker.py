"""A process of the service, which answers one request at a time."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from sqlatch import packages
from sqlatch.server.gateway import Event

WAITS = "waits"
"""In a line that is no answer: the database whose lease the request waits for, or null."""

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
            env={**environment, "PYTHONPATH": python_path(environment)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self.waits: str | None = None
        """The database whose lease its request waits for, now."""
        self._events, self._answers = process.stdin, process.stdout

    def ask(self, event: Event | str) -> Any:
        """Return the answer to an event; WorkerEnded if there is none."""
        try:
            self._events.write(json.dumps(event).encode() + b"\n")
            self._events.flush()
        except OSError as error:
            raise WorkerEnded(self.end(), began=False) from error
        while True:
            line = self._answers.readline()
            if not line.endswith(b"\n"):
                raise WorkerEnded(self.end(), began=True)
            answer = json.loads(line)
            is_answer = not (isinstance(answer, dict) and WAITS in answer)
            self.waits = None if is_answer else answer[WAITS]
            if is_answer:
                return answer

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


def python_path(environment: Mapping[str, str]) -> str:
    """Return the path on which a worker finds the packages of the service, and only a worker."""
    own = packages.directory()
    return os.pathsep.join([str(own), *filter(None, [environment.get("PYTHONPATH")])])
