"""Scenarios in processes of their own, killed at an operation or stopped there by the simulation.

python -m tests.faults.killed

A line of stdin is a process to fork, as JSON: "really" or "simulated", directory, scenario, point.
Its exit status is printed.
"""

import json
import os
import signal
import sys
import traceback
from pathlib import Path

from tests.faults.crashes import Situation, crash_at
from tests.faults.disk import Crash, Fuse, image_of
from tests.faults.scenarios import named

ENDED = 3
"""The exit status of a process whose request ended before that operation."""


class KillingFuse(Fuse):
    """Kills the process instead of simulating that."""

    def step(self) -> None:
        try:
            super().step()
        except Crash:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _be(*json.loads(line))
        _pid, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _be(how: str, directory: str, scenario_name: str, point: int) -> None:
    os.dup2(2, 1)
    status = 1
    try:
        status = _run(how, Path(directory), scenario_name, point)
    except Exception:  # noqa: BLE001 - nothing of the parent's may run in this process
        traceback.print_exc()
    finally:
        os._exit(status)


def _run(how: str, directory: Path, scenario_name: str, point: int) -> int:
    scenario = named(scenario_name)
    start = Situation(image_of(directory), [])
    fuse = KillingFuse() if how == "really" else Fuse()
    crash_at(point, start, directory, scenario.act, warm=scenario.warm, fuse=fuse)
    return 0 if fuse.blown else ENDED


if __name__ == "__main__":
    main()
