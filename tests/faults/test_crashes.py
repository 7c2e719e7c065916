"""A crash at every operation: recovered, whole, and nothing acknowledged is lost."""

from pathlib import Path

import pytest

from sqlatch.kernel import nfs
from tests.faults import tally
from tests.faults.campaign import Campaign, Counts
from tests.faults.engines import IN_A_LOG
from tests.faults.log_scenarios import COMPACTIONS
from tests.faults.log_scenarios import SCENARIOS as IN_LOGS
from tests.faults.scenarios import COPIED_IN, LARGE_DATABASE, LARGE_WRITE, SCENARIOS, Scenario

SEEDS = 8 if tally.FULL else 1
RECOVERED_EVERY, APART = (1, 1) if tally.FULL else (10, 7)

EVERY_IN_SHORT = 17
EVERY_IN_A_LOG = 1 if tally.FULL else 3
"""Of the operations on a log."""
RECOVERED_IN_A_LOG_EVERY, APART_IN_A_LOG, STEP_IN_A_LOG = (
    (12, 1, 1) if tally.FULL else (1_000, 7, 2)
)
RECOVERED_IN_A_LOG = [*SCENARIOS, *IN_LOGS][:: 1 if tally.FULL else 5]

by_name = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)


@by_name
@pytest.mark.timeout(tally.TIMEOUT_S)
def test_a_crash_leaves_the_state_before_or_after(scenario: Scenario, memory: Path) -> None:
    counts = Campaign(scenario, memory, seeds=SEEDS).run()

    tally.keep("crash", scenario.name, counts)
    assert_was_hard(counts)


@by_name
@pytest.mark.timeout(tally.TIMEOUT_S)
def test_a_crash_during_recovery_changes_nothing(scenario: Scenario, memory: Path) -> None:
    counts = Campaign(scenario, memory, seeds=1).run_recovery(every=RECOVERED_EVERY, apart=APART)

    tally.keep("crash during recovery", scenario.name, counts)
    assert counts.hot_journals > 0


@pytest.mark.parametrize("scenario", COPIED_IN, ids=lambda scenario: scenario.name)
@pytest.mark.timeout(tally.TIMEOUT_S)
def test_a_crash_at_the_first_use_of_a_database_copied_in(scenario: Scenario, memory: Path) -> None:
    counts = Campaign(scenario, memory, seeds=SEEDS).run()

    tally.keep("crash", scenario.name, counts)
    assert_was_hard(counts)


def test_a_crash_while_the_journal_is_cut_back_changes_nothing(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smaller = [sql.replace(str(nfs.JOURNAL_BYTES_MAX), "8192") for sql in nfs.KEEP_JOURNAL]
    monkeypatch.setattr(nfs, "KEEP_JOURNAL", smaller)
    counts = Campaign(LARGE_WRITE, memory, seeds=SEEDS).run()

    tally.keep("crash", LARGE_WRITE.name, counts)
    assert_was_hard(counts)
    assert (memory / "main.db-journal").stat().st_size <= 8192


@pytest.mark.parametrize("scenario", [*SCENARIOS, *IN_LOGS], ids=lambda scenario: scenario.name)
def test_some_crashes_in_a_log_leave_the_state_before_or_after(
    scenario: Scenario, memory: Path, small_log: None
) -> None:
    counts = Campaign(scenario, memory, seeds=1, kept=IN_A_LOG).run(every=EVERY_IN_SHORT)

    assert counts.crash_points > 1, "nothing was met"


@pytest.mark.slow
@pytest.mark.timeout(tally.TIMEOUT_S)
@pytest.mark.parametrize("scenario", [*SCENARIOS, *IN_LOGS], ids=lambda scenario: scenario.name)
def test_a_crash_in_a_log_leaves_the_state_before_or_after(
    scenario: Scenario, memory: Path, small_log: None
) -> None:
    campaign = Campaign(scenario, memory, seeds=SEEDS, kept=IN_A_LOG)
    counts = campaign.run(every=EVERY_IN_A_LOG)

    tally.keep("log, crash", scenario.name, counts)
    assert counts.crash_points > 4, "nothing was met"
    assert counts.state_after > 0, "nothing was met"
    assert scenario in COMPACTIONS or counts.hot_journals > 0, "nothing was met"
    assert EVERY_IN_A_LOG > 1 or counts.acknowledged > 0, "nothing was met"


@pytest.mark.slow
@pytest.mark.timeout(tally.TIMEOUT_S)
@pytest.mark.parametrize("scenario", RECOVERED_IN_A_LOG, ids=lambda scenario: scenario.name)
def test_a_crash_during_recovery_in_a_log_changes_nothing(
    scenario: Scenario, memory: Path, small_log: None
) -> None:
    campaign = Campaign(scenario, memory, seeds=1, kept=IN_A_LOG)
    counts = campaign.run_recovery(
        every=RECOVERED_IN_A_LOG_EVERY, apart=APART_IN_A_LOG, step=STEP_IN_A_LOG
    )

    tally.keep("log, crash during recovery", scenario.name, counts)
    assert scenario in COMPACTIONS or counts.crash_points > 0, "nothing was met"


@pytest.mark.slow
@pytest.mark.timeout(tally.TIMEOUT_S)
@pytest.mark.skipif(not tally.FULL, reason="SQLATCH_FAULTS_FULL=1 runs it")
def test_a_crash_of_a_transaction_of_a_megabyte(memory: Path) -> None:
    counts = Campaign(LARGE_DATABASE, memory, seeds=1).run()

    tally.keep("crash", LARGE_DATABASE.name, counts)
    assert_was_hard(counts)


def assert_was_hard(counts: Counts) -> None:
    """A campaign that meets nothing to recover, or no success, has tested nothing."""
    met = (counts.hot_journals, counts.state_after, counts.acknowledged)
    assert counts.crash_points > 20, "nothing was met"
    assert min(met) > 0, "nothing was met"
