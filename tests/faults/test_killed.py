"""Processes that are really killed leave, byte for byte, what the simulation says they leave."""

import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults import tally
from tests.faults.disk import Image, image_of, put_image
from tests.faults.killed import ENDED
from tests.faults.scenarios import named, start_of
from tests.writers import ROOT

EVERY = 1 if tally.FULL else 4


@dataclass(slots=True)
class Counts:
    """The count of processes that were killed."""

    kills: int = 0


@pytest.mark.timeout(tally.TIMEOUT_S)
@pytest.mark.parametrize("scenario", ["batch", "idempotent write", "first creation"])
def test_a_killed_process_leaves_what_the_simulation_says(scenario: str, memory: Path) -> None:
    start = start_of(named(scenario), memory).image
    counts = Counts()
    for point in range(EVERY, 1_000, EVERY):
        status, killed = _run("really", scenario, point, start, memory)
        if status == ENDED:
            break
        assert status == -signal.SIGKILL
        assert _run("simulated", scenario, point, start, memory) == (0, killed)
        counts.kills += 1

    tally.keep("processes really killed", scenario, counts)
    assert counts.kills > 2


def _run(how: str, scenario: str, point: int, start: Image, memory: Path) -> tuple[int, Image]:
    put_image(memory, start)
    command = [sys.executable, "-m", "tests.faults.killed", how, str(memory), scenario, str(point)]
    status = subprocess.run(command, cwd=ROOT, check=False).returncode
    return status, image_of(memory)
