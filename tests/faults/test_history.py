"""Requests by processes that are killed and frozen are as if one came after the other."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.faults import history, tally
from tests.faults.report import FULL, record_planted
from tests.writers import ROOT

REQUESTS_SHORT = 2_000
NEVER = {
    "crashed", "another_state", "against_time", "lost", "twice", "refused_and_there",
    "one_position_twice",
}  # fmt: skip
REQUESTS = 100_000 if FULL else 5_000


def run(directory: Path, requests: int, *, without: Sequence[str] = ()) -> history.Counts:
    """Make a history in processes of its own, and compare it with the log."""
    seed = int(os.environ.get("SQLATCH_FAULTS_SEED", time.time_ns()))
    print(f"SQLATCH_FAULTS_SEED={seed}")  # noqa: T201
    directory = directory.with_name("history")
    for name in ("shared", "copies"):
        (directory / name).mkdir(parents=True)
    task = {"directory": str(directory), "requests": requests, "seed": seed, "without": without}
    settings = {
        "SQLATCH_LOG": f"directory:{directory / 'shared'}",
        "SQLATCH_COPIES": str(directory / "copies"),
        "SQLATCH_LEASES": f"sqlite:{directory / 'leases'}",
    }
    command = [sys.executable, "-m", "tests.faults.history", json.dumps(task)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **settings}, check=True, capture_output=True
    )
    counts = history.audit(directory)
    said = json.loads(done.stdout)
    counts.kills, counts.freezes = said.get("kills", 0), said.get("freezes", 0)
    counts.crashed = said.get("crashed", 0)
    return counts


def assert_is_serial(counts: history.Counts, requests: int) -> None:
    faults = {name: number for name, number in asdict(counts).items() if name in NEVER}
    assert not any(faults.values()), faults
    assert counts.requests - counts.refusals >= requests
    assert counts.kills > 0


@pytest.mark.timeout(tally.TIMEOUT_S)
def test_a_short_history_is_strictly_serializable(memory: Path) -> None:
    assert_is_serial(run(memory, REQUESTS_SHORT), REQUESTS_SHORT)


@pytest.mark.slow
@pytest.mark.timeout(tally.TIMEOUT_S)
def test_a_history_of_requests_is_strictly_serializable(memory: Path) -> None:
    counts = run(memory, REQUESTS)

    tally.keep("history", "of a log", counts)
    assert_is_serial(counts, REQUESTS)
    assert counts.freezes > 0


@pytest.mark.timeout(tally.TIMEOUT_S)
def test_reads_that_do_not_ask_the_log_are_found(memory: Path) -> None:
    """The negative control."""
    counts = run(memory, REQUESTS_SHORT, without=["asking"])

    assert counts.against_time > 0
    record_planted("log: reads do not ask the log", "a history of requests")
