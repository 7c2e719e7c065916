"""Processes that are really killed leave, byte for byte, what the simulation says they leave."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
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


Run = Callable[..., tuple[int, Image]]


@pytest.fixture
def run(memory: Path) -> Iterator[Run]:
    """Run a scenario in a process of its own from a start; its exit status and what it left."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.killed"],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as processes:  # fmt: skip

        def run(how: str, scenario: str, point: int, start: Image) -> tuple[int, Image]:
            assert processes.stdin is not None
            assert processes.stdout is not None
            put_image(memory, start)
            processes.stdin.write(json.dumps([how, str(memory), scenario, point]) + "\n")
            processes.stdin.flush()
            return int(processes.stdout.readline()), image_of(memory)

        yield run


@pytest.mark.timeout(tally.TIMEOUT_S)
@pytest.mark.parametrize("scenario", ["batch", "idempotent write", "first creation"])
def test_a_killed_process_leaves_what_the_simulation_says(
    scenario: str, memory: Path, run: Run
) -> None:
    start = start_of(named(scenario), memory).image
    counts = Counts()
    for point in range(EVERY, 1_000, EVERY):
        status, killed = run("really", scenario, point, start)
        if status == ENDED:
            break
        assert status == -signal.SIGKILL
        assert run("simulated", scenario, point, start) == (0, killed)
        counts.kills += 1

    tally.keep("processes really killed", scenario, counts)
    assert counts.kills > 2
