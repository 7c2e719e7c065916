"""Writers on one log in DynamoDB and S3, killed, stopped, cut off, and asleep for too long."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest

from tests.dynamodb_server import CREDENTIALS, create_log
from tests.faults import cloud_server, tally
from tests.faults.cloud_server import Faults
from tests.faults.log_table_writers import Campaign, Counts
from tests.faults.report import FULL, record, record_planted
from tests.faults.test_log_processes import broken
from tests.writers import ROOT

ACKNOWLEDGED = 20_000 if FULL else 200
SECONDS = 8
HAPPENED = {
    "kills": 11, "stops": 11, "conflicts": 11, "in_doubt": 1, "begun_anew": 1, "removed": 101,
}  # fmt: skip
SECONDS_OF_CONTROL = 6

pytestmark = pytest.mark.timeout(7_200 if FULL else 900)


@pytest.fixture
def url() -> Iterator[str]:
    with cloud_server.running(Faults(lost_request=0.04, lost_answer=0.04, late=0.03)) as url:
        yield url


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


def run(directory: Path, url: str, *, without: str = "", **limits: int) -> Counts:
    directory.mkdir()
    table = f"log-{uuid4()}"
    create_log(url, table)
    campaign = Campaign(
        str(directory),
        table,
        seed=time.time_ns(),
        without=[without] if without else [],
        **limits,
    )
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.log_table_writers", json.dumps(asdict(campaign))],
        cwd=ROOT,
        env={**os.environ, "AWS_ENDPOINT_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Counts(**json.loads(done.stdout))


def test_writers_that_are_killed_stopped_and_cut_off_lose_nothing(tmp_path: Path, url: str) -> None:
    numbers = count()

    def one() -> Counts:
        directory = tmp_path / str(next(numbers))
        counts = run(directory, url, seconds=SECONDS, acknowledged=ACKNOWLEDGED)
        assert counts.crashed == []
        assert broken(counts) == {}
        assert counts.acknowledged >= ACKNOWLEDGED
        return counts

    counts = tally.added_up(one, HAPPENED)
    told = {**asdict(counts), "crashed": 0}
    del told["server"], told["segments"], told["take_overs"]
    record("log_table", **told, **{f"server {name}": n for name, n in counts.server.items()})
    assert min(counts.server[name] for name in ("lost_request", "lost_answer", "late")) > 10


@pytest.mark.slow
def test_those_that_do_not_know_their_own_record_write_twice(tmp_path: Path, url: str) -> None:
    """The rules that these processes need luck to break are planted in the model."""
    bug = "a refusal by one's own record is taken for another's"
    for attempt in range(tally.RUNS_MAX):
        directory = tmp_path / str(attempt)
        counts = run(directory, url, without="id", seconds=SECONDS_OF_CONTROL, acknowledged=50)
        if broken(counts):
            record_planted(f"log in a table: {bug}", "processes, killed and stopped")
            return
    pytest.fail(f"nothing was lost in {tally.RUNS_MAX} campaigns")
