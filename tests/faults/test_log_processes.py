"""Writers on one log in a directory, killed and stopped, with a lease that nobody checks."""

import json
import subprocess
import sys
import time
from dataclasses import asdict
from itertools import count
from pathlib import Path

import pytest

from tests.faults import tally
from tests.faults.log_writers import Campaign, Counts
from tests.faults.report import FULL, record, record_planted
from tests.writers import ROOT

ACKNOWLEDGED = 30_000 if FULL else 200
SECONDS = 8
SECONDS_OF_CONTROL = 3
HAPPENED = {"kills": 11, "stops": 11, "take_overs": 11, "in_doubt": 1}

pytestmark = pytest.mark.timeout(7_200 if FULL else 900)


def run(directory: Path, *, without: str = "", **limits: int) -> Counts:
    directory.mkdir()
    campaign = Campaign(
        str(directory),
        seed=time.time_ns(),
        without=[without] if without else [],
        **limits,
    )
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.log_writers", json.dumps(asdict(campaign))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Counts(**json.loads(done.stdout))


def broken(counts: Counts) -> dict[str, int]:
    """Return what must be 0 and is not."""
    names = ("lost", "twice", "refused_and_there", "on_another_state", "stale_reads", "damaged")
    found = {name: getattr(counts, name) for name in names}
    return {name: count for name, count in found.items() if count}


def test_killed_and_stopped_writers_lose_nothing_though_nobody_checks_the_lease(
    tmp_path: Path,
) -> None:
    numbers = count()

    def one() -> Counts:
        directory = tmp_path / str(next(numbers))
        counts = run(directory, seconds=SECONDS, acknowledged=ACKNOWLEDGED)
        assert counts.crashed == []
        assert broken(counts) == {}
        assert counts.acknowledged >= ACKNOWLEDGED
        return counts

    counts = tally.added_up(one, HAPPENED)
    record("log_processes", **{**asdict(counts), "crashed": 0})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("without", "bug"),
    [
        ("look", "an appender does not look whether its segment was sealed"),
        ("fence", "a writer appends behind a later holder of the lease"),
        ("seal", "a lease is taken over without a seal"),
    ],
)
def test_without_one_of_the_rules_the_same_writers_lose(
    tmp_path: Path, without: str, bug: str
) -> None:
    for attempt in range(tally.RUNS_MAX):
        directory = tmp_path / str(attempt)
        counts = run(directory, without=without, seconds=SECONDS_OF_CONTROL, acknowledged=50)
        if broken(counts):
            record_planted(f"log: {bug}", "processes, killed and stopped")
            return
    pytest.fail(f"nothing was lost in {tally.RUNS_MAX} campaigns")
