"""The counts of the campaigns: each case kept for the page on reliability, the sums printed."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from itertools import count
from typing import TYPE_CHECKING, TypeVar

from tests.faults.report import FULL, record

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

TIMEOUT_S = 3_600 if FULL else 900
RUNS_MAX = 20

CountsT = TypeVar("CountsT", bound="DataclassInstance")

_sums: dict[str, Counter[str]] = {}


def keep(campaign: str, case: str, counts: "DataclassInstance") -> None:
    """Keep what one case of a campaign counted; its next run replaces it."""
    numbers = asdict(counts)
    add({campaign: numbers})
    name = re.sub(r"[^a-z0-9]+", "-", f"{campaign} {case}".lower()).strip("-")
    record(name, campaign=campaign, case=case, **numbers)


def added_up(run: Callable[[], CountsT], at_least: Mapping[str, int], *, runs: int = 1) -> CountsT:
    """Add up the counts of so many runs at random, and of more until they have reached `at_least`.

    A short one may happen to miss what it is there for. Of what is no number the last run's stays.
    """
    total = run()
    for number in count(1):
        counted = asdict(total)
        missed = {name: counted[name] for name, least in at_least.items() if counted[name] < least}
        if number >= runs and not missed:
            break
        assert number < max(runs, RUNS_MAX), f"in {number} runs {missed}, not {at_least}"
        further = asdict(run())
        numbers = {name: counted[name] + n for name, n in further.items() if isinstance(n, int)}
        total = replace(total, **{**further, **numbers})
    return total


def add(sums: Mapping[str, Mapping[str, int]]) -> None:
    """Add the sums of each campaign, those of another process too."""
    for campaign, counts in sums.items():
        _sums.setdefault(campaign, Counter()).update(counts)


def sums() -> dict[str, dict[str, int]]:
    """Return the sums of each campaign over the cases that ran in this process."""
    return {campaign: dict(counts) for campaign, counts in _sums.items()}


def lines() -> Iterator[str]:
    """For each campaign of this run the sums over its cases."""
    for campaign, counts in _sums.items():
        told = ", ".join(f"{count:,} {what.replace('_', ' ')}" for what, count in counts.items())
        yield f"{campaign}: {told}"
