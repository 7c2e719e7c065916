"""One scenario in a process of its own, killed at an operation or stopped there by the simulation.

python -m tests.faults.killed really|simulated DIRECTORY SCENARIO POINT
"""

import os
import signal
import sys
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


def main(how: str, directory: Path, scenario_name: str, point: int) -> None:
    scenario = named(scenario_name)
    start = Situation(image_of(directory), [])
    fuse = KillingFuse() if how == "really" else Fuse()
    crash_at(point, start, directory, scenario.act, warm=scenario.warm, fuse=fuse)
    if not fuse.blown:
        sys.exit(ENDED)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
