"""Each rule of the engine of a log, broken on purpose, is missed by a campaign."""

import errno
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from sqlatch.kernel.errors import LeaseLost
from storage.log.directory import DirectoryLog
from tests.faults import campaign, io_errors, log_plants, tally
from tests.faults.engines import IN_A_LOG
from tests.faults.log_scenarios import SCENARIOS as IN_LOGS
from tests.faults.machine import Machine
from tests.faults.report import record_planted
from tests.faults.scenarios import SCENARIOS
from tests.faults.test_log_calls import run as run_calls

Plant = Callable[[pytest.MonkeyPatch], None]

NAMED = {scenario.name: scenario for scenario in (*SCENARIOS, *IN_LOGS)}
DISK_ERRORS = frozenset({"pwrite64"})

CRASHES = [
    (log_plants.wal_on_the_copy, "one-row write", "a commit past the log"),
    (
        log_plants.a_torn_copy_is_opened_before_it_is_applied,
        "a copy behind the log is read",
        "a new copy is another",
    ),
    (
        log_plants.a_half_done_seal_is_not_helped,
        "a write behind a half-done seal",
        "neither before nor after",
    ),
    (
        log_plants.reads_do_not_ask_the_log,
        "a copy behind the log is read",
        "neither before nor after",
    ),
    (log_plants.missing_zero_pages, "a compaction of free pages", "without the pages"),
]


@pytest.mark.usefixtures("small_log")
@pytest.mark.timeout(tally.TIMEOUT_S)
@pytest.mark.parametrize(("plant", "scenario", "complaint"), CRASHES)
def test_the_campaign_of_crashes_in_a_log_catches(
    plant: Plant,
    scenario: str,
    complaint: str,
    memory: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    crashing = campaign.Campaign(NAMED[scenario], memory, seeds=1, kept=IN_A_LOG)
    plant(monkeypatch)

    with pytest.raises((AssertionError, ValueError), match=complaint):
        crashing.run()
    record_planted(in_words(plant), "crash at every operation")


def test_the_campaign_of_failing_calls_catches_a_rollback_that_is_shipped(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = io_errors.Campaign(NAMED["batch"], memory, IN_A_LOG)
    log_plants.a_sync_after_a_rollback_ships(monkeypatch)

    with pytest.raises(AssertionError, match="acknowledged, and not there"):
        failing.run(errno.ENOSPC, DISK_ERRORS, lasting=False)
    record_planted(in_words(log_plants.a_sync_after_a_rollback_ships), "failing calls")


def test_the_failing_calls_of_a_log_catch_a_record_beyond_the_seal(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_plants.a_record_beyond_the_seal_is_read(monkeypatch)

    with pytest.raises(AssertionError):
        run_calls("an append comes late", memory)
    record_planted(in_words(log_plants.a_record_beyond_the_seal_is_read), "failing calls")


def test_a_writer_that_appends_when_its_lease_was_reaped_is_refused(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rows_lost_by_a_late_append(memory, monkeypatch) == set()


def test_a_reaper_that_only_clears_a_lease_is_found(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_plants.the_reaper_only_clears_the_lease(monkeypatch)

    assert rows_lost_by_a_late_append(memory, monkeypatch) != set()
    record_planted(in_words(log_plants.the_reaper_only_clears_the_lease), "a late append")


def rows_lost_by_a_late_append(directory: Path, patch: pytest.MonkeyPatch) -> set[int]:
    """Stop a writer before its append, past its lease; the reaper comes, and another one writes.

    Return what was acknowledged, and is not there.
    """
    append, acknowledged, appended = DirectoryLog.append, set[int](), list[bytes]()
    IN_A_LOG.put_image(directory, {})
    with (
        closing(Machine(directory, kept=IN_A_LOG)) as machine,
        closing(machine.start()) as late,
        closing(machine.start()) as other,
    ):
        late.ask(query="CREATE TABLE t (n)")

        def stopped(self: DirectoryLog, commit_id: bytes, content: bytes) -> None:
            appended.append(commit_id)
            if len(appended) == 1:
                machine.time.pass_by(60)
                other.reap()
                other.ask(query="INSERT INTO t VALUES (2)")
                acknowledged.add(2)
            append(self, commit_id, content)

        patch.setattr(DirectoryLog, "append", stopped)
        with suppress(LeaseLost):
            late.ask(query="INSERT INTO t VALUES (1)")
            acknowledged.add(1)
        assert len(appended) > 1
        with closing(machine.start()) as reader:
            there = {row[0] for row in reader.ask(query="SELECT n FROM t")["rows"]}
    return acknowledged - there


def in_words(plant: Plant) -> str:
    return f"log: {plant.__name__.replace('_', ' ')}"
