"""The process that gets the lease of the leader for this node, and renews it."""

import sys
import threading
from collections.abc import Mapping, Sequence

from sqlatch.server.worker import Worker

OPTION = "--lead"
BY_LEASE = "lease:"

AGAIN_S = 1.0
"""The time before a process that has ended is started again."""


class CandidateProcess:
    """The process, where the environment says that a lease decides who leads."""

    def __init__(self, environment: Mapping[str, str], options: Sequence[str] = ()) -> None:
        self._environment = environment
        self._options = [*options, OPTION]
        self._ended = threading.Event()
        self._worker: Worker | None = None
        self._thread = threading.Thread(target=self._run, name="candidate", daemon=True)

    def start(self) -> None:
        if self._environment.get("SQLATCH_LEADER", "").startswith(BY_LEASE):
            self._worker = Worker(self._environment, self._options)
            self._thread.start()

    def end(self) -> None:
        """Have it give the lease back, and end."""
        self._ended.set()
        if self._worker is not None:
            self._worker.end()

    def _run(self) -> None:
        while self._worker is not None:
            code = self._worker.process.wait()
            if self._ended.wait(AGAIN_S):
                return
            sys.stderr.write(f"the process that stands for the lease has ended: exit code {code}\n")
            self._worker = Worker(self._environment, self._options)
