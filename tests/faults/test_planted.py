"""A planted bug is caught by its campaign: the negative control of each promise."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from handler.service import service
from tests.conftest import forget
from tests.faults import (
    campaign,
    conflicts,
    io_errors,
    moved,
    once,
    plants,
    streams,
    takeover,
)
from tests.faults.report import record_planted
from tests.faults.scenarios import named
from tests.faults.test_crashes import assert_was_hard
from tests.faults.test_io_errors import ALL
from tests.faults.test_io_errors import EVERY as EVERY_CALL
from tests.faults.test_streams import EVERY as EVERY_OPERATION

Plant = Callable[[pytest.MonkeyPatch], None]

CRASHES = [
    (plants.syncs_left_out, "one-row write", "malformed|before nor after|not there"),
    (plants.journal_in_memory, "batch", "malformed|before nor after"),
    (plants.journal_deleted_before_recovery, "batch", "malformed|before nor after"),
    (plants.committed_after_the_reply, "one-row write", "acknowledged, and not there"),
    (plants.each_statement_commits, "batch", "neither before nor after"),
    (plants.lease_not_given_back, "one-row write", "a lease is left"),
    (plants.fuse_that_never_blows, "batch", "nothing was met"),
]


@pytest.mark.parametrize(("plant", "scenario", "complaint"), CRASHES)
def test_the_campaign_of_crashes_catches(
    plant: Plant, scenario: str, complaint: str, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashing = campaign.Campaign(named(scenario), memory, seeds=1)
    plant(monkeypatch)

    with pytest.raises(AssertionError, match=complaint):
        assert_was_hard(crashing.run())
    record_planted(in_words(plant), "crash at every operation")


@pytest.mark.parametrize(
    ("plant", "complaint"),
    [
        (plants.record_after_the_effect, r"not once: \[\[[23]\]\]"),
        (plants.record_before_the_effect, "another reply than the first"),
        (plants.repeats_run_again, "not once"),
    ],
)
def test_the_campaign_of_repetitions_catches(
    plant: Plant, complaint: str, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = once.start_of_once(memory)
    plant(monkeypatch)

    with pytest.raises(AssertionError, match=complaint):
        once.crash(once.ask, start, memory, seeds=1)
    record_planted(in_words(plant), "once, and only once")


@pytest.mark.parametrize(
    ("plant", "complaint"),
    [
        (plants.failed_commit_acknowledged, "acknowledged, and not there"),
        (plants.failed_commit_called_certain, "refused, and there"),
        (plants.storage_called_a_statement_error, "StatementError"),
        (plants.lease_kept_after_an_error, "a lease is left"),
    ],
)
def test_the_campaign_of_io_errors_catches(
    plant: Plant, complaint: str, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = io_errors.Campaign(named("one-row write"), memory)
    plant(monkeypatch)

    with pytest.raises(AssertionError, match=complaint):
        failing.run(errno.EIO, ALL, lasting=False, every=EVERY_CALL)
    record_planted(in_words(plant), "I/O errors")


@pytest.mark.parametrize(
    ("plant", "scenario", "complaint"),
    [
        (plants.answers_before_a_commit_not_kept, "conditions, by its key", "another answer"),
        (plants.rowid_forgotten_after_a_repeat, "a transaction of an earlier request", "stands"),
        (plants.conditions_looked_at_again, "ended by SQLite, by its baton", "another answer"),
        (plants.commits_of_a_repeat_not_looked_up, "several transactions, by its key", "another"),
    ],
)
def test_the_campaign_of_requests_sent_again_catches(
    plant: Plant, scenario: str, complaint: str, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (sent,) = (one for one in streams.SCENARIOS if one.name == scenario)
    plant(monkeypatch)

    with pytest.raises(AssertionError, match=complaint):
        streams.run(sent, memory, seeds=0, every=EVERY_OPERATION)
    record_planted(in_words(plant), "requests sent again while others write")


@pytest.mark.parametrize(
    "plant",
    [
        plants.digest_without_affected_row_count,
        plants.digest_without_last_insert_rowid,
        plants.digest_without_rows,
    ],
)
def test_the_campaign_of_conflicts_catches(
    plant: Plant, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)

    with pytest.raises(AssertionError, match="None"):
        conflicts.run(memory)
    record_planted(in_words(plant), "transactions beside a writer")


@pytest.mark.parametrize("door", moved.READS)
def test_the_campaign_of_moved_files_catches(
    door: str, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLATCH_DATABASES", str(memory))
    service.cache_clear()
    moving = moved.Campaign(memory, monkeypatch, ways=[moved.replaced])
    plants.replaced_file_never_noticed(monkeypatch)

    with pytest.raises(AssertionError, match="a replaced file was read"):
        moving.run_reads("on-write", door)
    forget(service)
    record_planted(in_words(plants.replaced_file_never_noticed), "a file moved and replaced")


def test_the_campaign_of_takeovers_catches(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plants.takeover_opens_no_journal(monkeypatch)

    with pytest.raises(AssertionError, match="does not open the journal"):
        takeover.run("direct", memory, monkeypatch)
    record_planted(in_words(plants.takeover_opens_no_journal), "takeovers")


def in_words(plant: Plant) -> str:
    return plant.__name__.replace("_", " ")
