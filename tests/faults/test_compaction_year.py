"""A simulated year of a log in DynamoDB and S3: stalled writers, reapers, and nothing is lost."""

import time
from dataclasses import asdict

import pytest

from storage.log import dynamodb
from tests.faults import tally
from tests.faults.compaction_year import Counts, passed
from tests.faults.report import FULL, record_planted

DAYS = 365 if FULL else 60
NEVER = ("lost", "twice", "refused_and_there", "another_state", "stale")
HAPPENED = ("acknowledged", "removed", "passes", "stalls", "unknown", "new_instances", "late_calls")


def broken(counts: Counts) -> dict[str, int]:
    return {name: number for name, number in asdict(counts).items() if name in NEVER and number}


def test_in_a_year_of_stalls_and_removals_nothing_is_lost_and_no_reader_is_misled() -> None:
    def one() -> Counts:
        seed = time.time_ns()
        counts = passed(DAYS, seed)
        assert broken(counts) == {}, f"seed {seed}"
        return counts

    counts = tally.added_up(one, dict.fromkeys(HAPPENED, 1))
    tally.keep("simulated year", "of a log in a table", counts)


def test_writers_and_readers_that_do_not_ask_for_the_floor_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The negative control."""
    monkeypatch.setattr(dynamodb.DynamoLog, "_is_stale", lambda _self: False)

    assert any(broken(passed(DAYS, seed)) for seed in range(20))
    record_planted("log in a table: nobody asks what was removed", "a simulated year")
