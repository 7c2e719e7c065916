"""Every system call fails in turn: refused with the right error, nothing lost, no lease left."""

import errno
from itertools import product
from pathlib import Path

import pytest

from tests.faults import tally
from tests.faults.engines import IN_A_LOG, IN_PLACE, Kept
from tests.faults.io_errors import Campaign
from tests.faults.log_scenarios import PAST
from tests.faults.log_scenarios import SCENARIOS as IN_LOGS
from tests.faults.scenarios import HEALTH, READ, SCENARIOS, Scenario
from tests.faults.system_calls import (
    CUT_IN_HALF,
    FILE_ENDS,
    LOG_CALLS,
    PYTHON_CALLS,
    SIGNATURES,
    SYNC,
    TRANSFERS,
)

ALL = frozenset(SIGNATURES) | frozenset(PYTHON_CALLS) | frozenset(LOG_CALLS.values())
FAULTS = {
    "EIO": (errno.EIO, ALL),
    "ESTALE": (errno.ESTALE, ALL),
    "ENOSPC": (errno.ENOSPC, frozenset({"pwrite64", "ftruncate"})),
    "EDQUOT": (errno.EDQUOT, frozenset({"pwrite64", "ftruncate"})),
    "failing sync": (errno.EIO, SYNC),
    "transfer cut in half": (CUT_IN_HALF, frozenset(TRANSFERS)),
    "file that seems to end": (FILE_ENDS, frozenset({"pread64"})),
}
FAULTS_OF_CI = ("EIO", "ENOSPC", "failing sync", "transfer cut in half", "file that seems to end")


EVERY = 1 if tally.FULL else 5
MANY = {"EIO", "transfer cut in half"}
"""Of these a request has a hundred calls, so each so many is taken; of the others, all are."""
EVERY_IN_A_LOG = 1 if tally.FULL else 67
EVERY_IN_SHORT = 97


@pytest.mark.slow
@pytest.mark.timeout(tally.TIMEOUT_S)
@pytest.mark.parametrize("lasting", ["once", "from then on"])
@pytest.mark.parametrize("fault", FAULTS if tally.FULL else FAULTS_OF_CI)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_call_that_fails_loses_nothing_and_blocks_nobody(
    scenario: Scenario, fault: str, lasting: str, memory: Path
) -> None:
    number, calls = FAULTS[fault]
    every = EVERY if fault in MANY else 1
    counts = Campaign(scenario, memory).run(
        number, calls, lasting=lasting == "from then on", every=every
    )

    tally.keep(f"I/O errors, {fault} {lasting}", scenario.name, counts)
    assert counts.faults > 2
    if fault == "transfer cut in half":
        assert counts.answered_all_the_same == counts.faults + 1
    elif number > 0:
        assert counts.storage_error > 0


@pytest.mark.parametrize(
    ("scenario", "kept"),
    [*product((READ, HEALTH), (IN_PLACE, IN_A_LOG)), (PAST, IN_A_LOG)],
    ids=lambda each: each.name,
)
def test_a_look_whose_calls_fail_is_refused_by_name(
    scenario: Scenario, kept: Kept, memory: Path, small_log: None
) -> None:
    counts = Campaign(scenario, memory, kept).run(errno.EIO, ALL, lasting=False)

    assert counts.faults > 0


@pytest.mark.parametrize("scenario", [*SCENARIOS, *IN_LOGS], ids=lambda scenario: scenario.name)
def test_some_calls_of_a_log_that_fail_lose_nothing(
    scenario: Scenario, memory: Path, small_log: None
) -> None:
    counts = Campaign(scenario, memory, IN_A_LOG).run(
        errno.EIO, ALL, lasting=True, every=EVERY_IN_SHORT
    )

    assert counts.storage_error > 0


@pytest.mark.slow
@pytest.mark.timeout(tally.TIMEOUT_S)
@pytest.mark.parametrize("lasting", ["once", "from then on"])
@pytest.mark.parametrize("fault", FAULTS if tally.FULL else FAULTS_OF_CI)
@pytest.mark.parametrize("scenario", [*SCENARIOS, *IN_LOGS], ids=lambda scenario: scenario.name)
def test_a_call_of_a_log_that_fails_loses_nothing_and_blocks_nobody(
    scenario: Scenario, fault: str, lasting: str, memory: Path, small_log: None
) -> None:
    number, calls = FAULTS[fault]
    counts = Campaign(scenario, memory, IN_A_LOG).run(
        number, calls, lasting=lasting == "from then on", every=EVERY_IN_A_LOG
    )

    tally.keep(f"log, I/O errors, {fault} {lasting}", scenario.name, counts)
    assert fault != "EIO" or counts.storage_error > 0
