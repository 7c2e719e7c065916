"""Repeats: within the deadline, whatever happens, and only of what may be repeated."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlatch import errors, failures
from sqlatch.attempts import ATTEMPTS_MAX, PAUSE_S_MAX, Attempts, may_repeat
from sqlatch.errors import SqlatchError

seconds = st.floats(0.01, 100)


@dataclass(slots=True)
class World:
    """A clock that only pauses and attempts move; `durations` are those of the attempts."""

    durations: list[float]
    now_s: float = 0.0
    pauses: list[float] = field(default_factory=list)
    attempts: int = 0

    def sleep(self, pause_s: float) -> None:
        self.pauses.append(pause_s)
        self.now_s += pause_s

    def fail(self) -> None:
        self.now_s += self.durations[min(self.attempts, len(self.durations) - 1)]
        self.attempts += 1
        raise failures.Unreachable("nobody there")

    def run(self, timeout_s: float, attempt_s: float, chance: float) -> None:
        attempts = Attempts(timeout_s, attempt_s, lambda: self.now_s, self.sleep, lambda: chance)
        with pytest.raises(failures.Unreachable):
            attempts.of(self.fail, repeatable=True)


@given(seconds, seconds, st.lists(st.floats(0, 1), min_size=1), st.floats(0, 1))
def test_no_call_takes_longer_than_it_may(
    timeout_s: float, attempt_s: float, parts: list[float], chance: float
) -> None:
    one_s = min(timeout_s, attempt_s)
    world = World([part * one_s for part in parts])

    world.run(timeout_s, attempt_s, chance)

    assert world.now_s <= timeout_s * (1 + 1e-9)
    assert 1 <= world.attempts <= ATTEMPTS_MAX


def test_pauses_grow_to_their_limit_and_are_at_random_below_it() -> None:
    longest, half = World([0.0]), World([0.0])

    longest.run(1000, 1, chance=1.0)
    half.run(1000, 1, chance=0.5)

    assert longest.pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2] + [PAUSE_S_MAX] * 3
    assert half.pauses == [pause_s / 2 for pause_s in longest.pauses]


@given(seconds, seconds)
def test_the_service_is_given_less_than_the_attempt(timeout_s: float, attempt_s: float) -> None:
    attempts = Attempts(timeout_s, attempt_s)

    assert 1 <= attempts.execution_ms <= max(1, attempts.one_s * 1000)


ALL = [*errors.kinds(), *failures.CallFailed.__subclasses__()]


@pytest.mark.parametrize("kind", ALL)
def test_what_may_have_been_applied_is_repeated_only_if_that_does_no_harm(
    kind: type[SqlatchError],
) -> None:
    unknown, nothing = kind("m", outcome="unknown"), kind("m", outcome="nothing")

    assert may_repeat(unknown, repeatable=False) is False
    assert may_repeat(unknown, repeatable=True) is kind.retryable
    assert may_repeat(nothing, repeatable=False) is kind.retryable


def test_every_failure_is_a_class_of_its_own_with_a_code_and_told_on_its_page() -> None:
    kinds = failures.CallFailed.__subclasses__()
    told = [line.split() for line in (failures.__doc__ or "").splitlines() if line[:2] == "  "]

    assert told == [[kind.__name__, kind.code] for kind in kinds]
    assert {kind.code for kind in kinds}.isdisjoint({kind.code for kind in errors.kinds()})
