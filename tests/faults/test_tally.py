"""Runs at random are added up until what they are there for has happened."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.faults import tally


@dataclass(slots=True)
class Counts:
    kills: int = 0
    conflicts: int = 0
    crashed: list[str] = field(default_factory=list)


def of(*runs: Counts) -> Callable[[], Counts]:
    return iter(runs).__next__


def test_there_are_further_runs_until_all_has_happened() -> None:
    runs = of(Counts(kills=12), Counts(kills=9, crashed=["one"]), Counts(conflicts=1), Counts())

    counts = tally.added_up(runs, {"kills": 11, "conflicts": 1})

    assert counts == Counts(kills=21, conflicts=1)
    assert runs() == Counts()


def test_there_are_as_many_as_are_asked_for() -> None:
    counts = tally.added_up(lambda: Counts(kills=1), {"kills": 1}, runs=30)

    assert counts == Counts(kills=30)


def test_what_never_happens_is_told() -> None:
    with pytest.raises(AssertionError, match=r"in 20 runs {'conflicts': 0}, not"):
        tally.added_up(lambda: Counts(kills=1), {"kills": 5, "conflicts": 1})
