"""The crowd of writers and readers, from outside: started, stopped, killed, at last let finish."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.faults.customer import Task
from tests.writers import ROOT

POLL_S = 0.002
PATIENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class Stall:
    """A process that did not run for a while, in epoch seconds."""

    pid: int
    from_s: float
    until_s: float


@dataclass(slots=True)
class Crowd:
    """The processes of a nursery by their ids, with what they do, and the stalls so far."""

    nursery: "subprocess.Popen[str]"
    running: dict[int, Task] = field(default_factory=dict)
    stopped_at_s: dict[int, float] = field(default_factory=dict)
    stalls: list[Stall] = field(default_factory=list)

    def start(self, task: Task) -> int:
        assert self.nursery.stdin is not None
        assert self.nursery.stdout is not None
        self.nursery.stdin.write(json.dumps(asdict(task)) + "\n")
        self.nursery.stdin.flush()
        pid = int(self.nursery.stdout.readline())
        self.running[pid] = task
        return pid

    def kill(self, pid: int) -> Task:
        """kill -9, and wait until it is gone (it may be already); what it was doing."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        _wait_until(lambda: not _state(pid))
        self._end_stall(pid)
        return self.running.pop(pid)

    def dead(self) -> list[int]:
        """Those that ended by themselves."""
        return [pid for pid in self.running if not _state(pid)]

    def stop(self, pid: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            self.wait_until_stopped(pid)

    def wait_until_stopped(self, pid: int) -> None:
        """Wait for the process to stand still, because of `stop` or of itself; or to be gone."""
        _wait_until(lambda: _state(pid) in {"T", ""})
        self.stopped_at_s[pid] = time.time()

    def resume(self, pid: int) -> None:
        self._end_stall(pid)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    def finish(self) -> None:
        """Let every process end after what it is at."""
        for pid in list(self.stopped_at_s):
            self.resume(pid)
        for pid in self.running:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        for pid in self.running:
            _wait_until(lambda pid=pid: not _state(pid))  # type: ignore[misc]
        self.running.clear()

    def _end_stall(self, pid: int) -> None:
        if pid in self.stopped_at_s:
            self.stalls.append(Stall(pid, self.stopped_at_s.pop(pid), time.time()))


@contextmanager
def crowd(environment: Mapping[str, str]) -> Iterator[Crowd]:
    """A crowd, empty at first; none of it is left at the end of the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.nursery"],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as nursery:
        yield Crowd(nursery)


def _state(pid: int) -> str:
    """The state of a process as Linux has it (R, S, D, T), empty if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    state = stat.rpartition(")")[2].split()[0]
    return "" if state in "ZX" else state


def _wait_until(happened: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline_s, "a process does not do what it was told"
        time.sleep(POLL_S)
