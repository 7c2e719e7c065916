"""Requests of libSQL clients, with a key or a baton, that die anywhere and are sent again."""

from pathlib import Path

import pytest

from tests.faults import streams, tally
from tests.faults.engines import IN_A_LOG
from tests.faults.streams import SCENARIOS, Scenario

SEEDS = 12 if tally.FULL else 1
EVERY = 1 if tally.FULL else 3
EVERY_IN_SHORT = 5
EVERY_IN_A_LOG = 1 if tally.FULL else 23
TWICE_EVERY = 3 if tally.FULL else 19

each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)


@each_scenario
def test_some_crashes_of_a_request_that_is_sent_again(scenario: Scenario, memory: Path) -> None:
    counts = streams.run(scenario, memory, seeds=0, every=EVERY_IN_SHORT)

    assert counts.replayed_in_part + counts.replayed > 0, "nothing was met"


@pytest.mark.slow
@pytest.mark.timeout(tally.TIMEOUT_S)
@each_scenario
def test_a_crash_at_any_operation_of_a_request_that_is_sent_again(
    scenario: Scenario, memory: Path
) -> None:
    counts = streams.run(scenario, memory, seeds=SEEDS, every=EVERY)

    tally.keep("once, sent again while others write", scenario.name, counts)
    assert counts.crash_points * EVERY > 20, "nothing was met"
    assert 0 < counts.replayed < counts.directories, "nothing was met"


@pytest.mark.slow
@pytest.mark.timeout(tally.TIMEOUT_S)
@each_scenario
def test_a_crash_in_a_log_of_a_request_that_is_sent_again(scenario: Scenario, memory: Path) -> None:
    counts = streams.run(scenario, memory, seeds=0, every=EVERY_IN_A_LOG, kept=IN_A_LOG)

    tally.keep("once, sent again in a log", scenario.name, counts)
    assert counts.replayed_in_part + counts.replayed > 0, "nothing was met"


@pytest.mark.slow
@pytest.mark.timeout(tally.TIMEOUT_S)
@each_scenario
def test_a_crash_of_the_repeat_too(scenario: Scenario, memory: Path) -> None:
    counts = streams.run_twice(scenario, memory, every=TWICE_EVERY)

    tally.keep("once, sent again, crashed twice", scenario.name, counts)
    assert counts.crash_points > 10, "nothing was met"
    assert counts.replayed_in_part + counts.replayed > 0, "nothing was met"
