"""Once, and only once: crash or lose an answer at every step, ask again, count the effects."""

from pathlib import Path

import pytest

from tests.faults import once, tally
from tests.faults.crashes import Act, Situation
from tests.faults.engines import IN_A_LOG, IN_PLACE
from tests.faults.machine import LostAnswers

SEEDS = 12 if tally.FULL else 2
TWICE_EVERY = 1 if tally.FULL else 47
TWICE_IN_A_LOG_EVERY = 10 if tally.FULL else 400

pytestmark = [pytest.mark.slow, pytest.mark.timeout(tally.TIMEOUT_S)]
each_way = pytest.mark.parametrize("act", [once.ask, once.deliver, once.deliver_group, once.commit])


@pytest.fixture(params=[IN_PLACE, IN_A_LOG], ids=lambda kept: kept.name)
def start(memory: Path, request: pytest.FixtureRequest) -> Situation:
    return once.start_of_once(memory, request.param)


@each_way
def test_a_crash_at_any_step_and_the_effect_is_there_once(
    act: Act, start: Situation, memory: Path
) -> None:
    counts = once.crash(act, start, memory, seeds=SEEDS)

    tally.keep("once, after a crash", case_of(act, start), counts)
    assert counts.crash_points > 20
    assert 0 < counts.replayed < counts.directories


@each_way
def test_a_crash_of_the_repetition_too_and_the_effect_is_there_once(
    act: Act, start: Situation, memory: Path
) -> None:
    every = TWICE_EVERY if start.kept is IN_PLACE else TWICE_IN_A_LOG_EVERY
    counts = once.crash_twice(act, start, memory, every=every)

    tally.keep("once, after two crashes", case_of(act, start), counts)
    assert counts.crash_points > 20
    assert 0 < counts.replayed < counts.directories


@each_way
@pytest.mark.parametrize("lasting", ["once", "from then on"])
@pytest.mark.parametrize("lost_is", ["the answer", "the request"])
def test_an_answer_of_the_lease_table_is_lost_and_the_effect_is_there_once(
    act: Act, lasting: str, lost_is: str, start: Situation, memory: Path
) -> None:
    def lost(number: int) -> LostAnswers:
        return LostAnswers(
            number, arrives=lost_is == "the answer", lasting=lasting == "from then on"
        )

    counts = once.lose_answers(act, start, memory, lost)

    case = f"{case_of(act, start)}, {lost_is} {lasting}"
    tally.keep("once, after a lost answer of the lease table", case, counts)
    assert counts.answers_lost >= 2


def case_of(act: Act, start: Situation) -> str:
    return act.__name__ if start.kept is IN_PLACE else f"{act.__name__} in a log"
