"""Followers behind a connection that breaks: each read is the state of its position."""

import time
from pathlib import Path

import pytest

from storage.connection import Session
from storage.engine import Freshness
from storage.follower import tail, wire
from storage.follower.remote import RemoteLog
from storage.follower.store import FollowerStore
from storage.follower.tail import Tail
from tests.faults import tally
from tests.faults.followers import Counts, broken, in_a_directory, in_a_table, run
from tests.faults.report import FULL, record_planted
from tests.storage.log.clouds import cloud_at

RUNS = 40 if FULL else 1
STEPS = 400
SEEDS = (2, 5, 7, *range(9, 30))
"""With the first of them the planted bugs are found at once."""
HAPPENED = (
    "commits", "replaced", "deleted", "removed", "reads", "aged", "refusals", "restarts",
    "neighbours", "asked", "broken",
)  # fmt: skip


@pytest.mark.parametrize("place", ["a directory", "DynamoDB and S3"])
def test_each_read_is_the_state_of_its_position(
    place: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one() -> Counts:
        seed = time.time_ns()
        directory = _new(tmp_path, seed)
        logs = in_a_directory(directory)
        if place != "a directory":
            cloud = cloud_at(request.getfixturevalue("cloud_url"), monkeypatch)
            logs = in_a_table(directory, cloud)
        counts = run(directory, seed, STEPS, logs)
        assert broken(counts) == {}, f"seed {seed}"
        return counts

    counts = tally.added_up(one, dict.fromkeys(HAPPENED, 1), runs=RUNS)
    tally.keep("followers", f"of a log in {place}", counts)


def test_a_node_that_takes_a_part_of_an_answer_for_the_whole_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: an answer that was cut is no longer told from one that is whole."""
    monkeypatch.setattr(wire, "LAST", "sqlatch-log-of-none")
    never = property(lambda _log: False, lambda _log, _value: None)
    monkeypatch.setattr(RemoteLog, "has_more", never, raising=False)

    assert any(broken(planted(tmp_path, seed)) for seed in SEEDS)
    record_planted("follower: an answer that was cut is taken for the whole", "followers")


def test_a_tail_that_forgets_what_it_did_not_send_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: a follower that is behind gets the newest records, with a gap."""
    monkeypatch.setattr(Tail, "_reaches", lambda _tail, _after: True)
    monkeypatch.setattr(tail, "PIECE_BYTES", 20_000)

    assert any(broken(planted(tmp_path, seed)) for seed in SEEDS)
    record_planted("follower: the leader leaves records out", "followers")


def test_a_node_that_answers_aged_whatever_was_asked_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: an age that was asked for does not count where nobody answers."""
    snapshot = FollowerStore.snapshot

    def lenient(self: FollowerStore, deadline_s: float, freshness: Freshness) -> Session:
        return snapshot(self, deadline_s, Freshness())

    monkeypatch.setattr(FollowerStore, "snapshot", lenient)

    assert any(broken(planted(tmp_path, seed)) for seed in SEEDS)
    record_planted("follower: reads without the leader whatever was asked for", "followers")


def planted(tmp_path: Path, seed: int) -> Counts:
    directory = _new(tmp_path, seed)
    return run(directory, seed, STEPS, in_a_directory(directory))


def _new(tmp_path: Path, seed: int) -> Path:
    path = tmp_path / str(seed)
    path.mkdir()
    return path
