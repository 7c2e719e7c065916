"""Requests by processes that are killed and frozen are as if one came after the other."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.dynamodb_server import CREDENTIALS, create_log
from tests.faults import cloud_server, history, tally
from tests.faults.cloud_server import Faults
from tests.faults.history_audit import Counts, audit
from tests.faults.report import FULL, record_planted
from tests.writers import ROOT

REQUESTS_SHORT = 600
REQUESTS_OF_CONTROL = 400
NEVER = {
    "crashed", "corrupt", "another_state", "another_moment", "against_time", "lost", "twice",
    "refused_and_there", "one_position_twice",
}  # fmt: skip
HAPPENED = {"acknowledged", "reads", "past", "replaced", "added", "kills"}
HAPPENED_IN_THE_LONG_FORM = {*HAPPENED, "deleted", "brought_back", "removed", "freezes"}
REQUESTS = 50_000 if FULL else 1_250

FAULTS = Faults(lost_request=0.02, lost_answer=0.02, late=0.02)
STDERR_MAX = 4_000
"""Most of it are the lines of requests."""

LOGS = ("directory", "table")


@contextmanager
def log_of(kind: str, directory: Path, patch: pytest.MonkeyPatch) -> Iterator[Mapping[str, str]]:
    """Settings of databases in a log of that kind."""
    if kind == "directory":
        (directory / "shared").mkdir()
        leases = {"SQLATCH_LEASES": f"sqlite:{directory / 'leases'}"}
        yield {"SQLATCH_LOG": f"directory:{directory / 'shared'}", **leases}
        return
    with cloud_server.running(FAULTS) as url:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        yield {"AWS_ENDPOINT_URL": url, "SQLATCH_LOG": create_log(url, "log")}


def run(
    kind: str, directory: Path, patch: pytest.MonkeyPatch, requests: int, *, without: str = ""
) -> Counts:
    """Make a history in processes of its own, and compare it with the log."""
    seed = int(os.environ.get("SQLATCH_FAULTS_SEED", time.time_ns()))
    print(f"SQLATCH_FAULTS_SEED={seed}")  # noqa: T201
    directory = Path(tempfile.mkdtemp(dir=directory.parent))
    (directory / "copies").mkdir()
    task = history.Task(str(directory), requests, seed, [without] if without else [])
    with log_of(kind, directory, patch) as settings:
        environment = {**os.environ, **settings, "SQLATCH_COPIES": str(directory / "copies")}
        environment["SQLATCH_HISTORY_DAYS"] = str(history.HISTORY_S / 86_400)
        done = subprocess.run(
            [sys.executable, "-m", "tests.faults.history", json.dumps(asdict(task))],
            cwd=ROOT,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-STDERR_MAX:]
        url = settings.get("AWS_ENDPOINT_URL")
        faults = cloud_server.counts(url) if url else {}
    assert [path.read_text() for path in directory.glob("crashed-*")] == []
    counts = audit(directory)
    said = json.loads(done.stdout)
    for name in ("kills", "freezes", "crashed", "removed"):
        setattr(counts, name, said.get(name, 0))
    counts.reaped = len((directory / "reaped").read_text().splitlines())
    counts.lost_calls = faults.get("lost_request", 0) + faults.get("lost_answer", 0)
    counts.late_calls = faults.get("late", 0)
    return counts


def controls(
    kind: str, directory: Path, patch: pytest.MonkeyPatch, without: str
) -> Iterator[Counts]:
    """Histories of an engine without one of its rules, as many as are asked for."""
    for _number in range(tally.RUNS_MAX):
        yield run(kind, directory, patch, REQUESTS_OF_CONTROL, without=without)


def assert_is_serial(counts: Counts, requests: int) -> None:
    found = asdict(counts)
    assert {name: found[name] for name in NEVER} == dict.fromkeys(NEVER, 0)
    assert counts.requests - counts.refusals >= requests


@pytest.mark.timeout(tally.TIMEOUT_S)
@pytest.mark.parametrize("kind", LOGS)
def test_a_short_history_is_strictly_serializable(
    kind: str, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one() -> Counts:
        counts = run(kind, memory, monkeypatch, REQUESTS_SHORT)
        assert_is_serial(counts, REQUESTS_SHORT)
        return counts

    tally.added_up(one, dict.fromkeys(HAPPENED, 1))


@pytest.mark.slow
@pytest.mark.timeout(tally.TIMEOUT_S)
@pytest.mark.parametrize("kind", LOGS)
def test_a_history_of_requests_is_strictly_serializable(
    kind: str, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one() -> Counts:
        counts = run(kind, memory, monkeypatch, REQUESTS)
        assert_is_serial(counts, REQUESTS)
        return counts

    counts = tally.added_up(one, dict.fromkeys(HAPPENED_IN_THE_LONG_FORM, 1))
    tally.keep("history", f"of a log in a {kind}", counts)


@pytest.mark.timeout(tally.TIMEOUT_S)
def test_reads_that_do_not_ask_the_log_are_found(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control."""
    made = controls("directory", memory, monkeypatch, without="asking")

    assert any(counts.against_time for counts in made)
    record_planted("log: reads do not ask the log", "a history of requests")


@pytest.mark.timeout(tally.TIMEOUT_S)
def test_what_is_brought_back_over_a_database_is_found(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = controls("table", memory, monkeypatch, without="absence")

    assert any(counts.twice for counts in made)
    record_planted("log: what is brought back replaces what is there", "a history of requests")


@pytest.mark.timeout(tally.TIMEOUT_S)
def test_connections_that_stay_open_on_what_was_replaced_are_found(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = controls("table", memory, monkeypatch, without="opening")

    assert any(counts.another_state for counts in made)
    record_planted("log: a replacement is no new generation", "a history of requests")


@pytest.mark.timeout(tally.TIMEOUT_S)
def test_moments_that_are_the_next_ones_are_found(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = controls("directory", memory, monkeypatch, without="moment")

    assert any(counts.another_moment for counts in made)
    record_planted("log: a moment of the past is the next one", "a history of requests")
