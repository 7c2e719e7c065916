"""A goal as data, and whether a run reached it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from statistics import median, quantiles

from benchmarks.sampling import Samples, middle

ENOUGH_DIGITS = 4

BLOCKS_MAX = 9
"""Samples are taken in turn, so a block of each subject's is of the same time: a ratio for each."""

BLOCKS_MIN = 3
"""With fewer it is not known how much they vary: UNKNOWN_SPREAD is assumed."""

SPREAD_MAX = 0.05
"""Half of the blocks' ratios lie within so much of their median, or the machine is too noisy."""

UNKNOWN_SPREAD = 0.4


@dataclass(frozen=True, slots=True)
class Goal:
    """A limit on one subject's figure, alone or as a ratio to another's of the same table.

    `plus` is added to what `max_ratio` allows, in the table's unit. A count does not vary, so one
    sample of it says all.
    """

    subject: str
    against: str | None = None
    max_ratio: float | None = None
    min_ratio: float | None = None
    plus: float = 0
    exactly: float | None = None
    at_most: float | None = None
    at_least: float | None = None
    is_count: bool = False

    def text(self, unit: str) -> str:
        """The goal in words."""
        if self.exactly is not None:
            return f"{self.subject}: {self.exactly:g}"
        if self.at_most is not None:
            return f"{self.subject}: at most {self.at_most:g} {unit}".rstrip()
        if self.at_least is not None:
            return f"{self.subject}: at least {self.at_least:,g} {unit}"
        if self.min_ratio is not None:
            return f"{self.subject}: at least {self.min_ratio:.3g} x {self.against}"
        more = f" + {self.plus:g} {unit}" if self.plus else ""
        return f"{self.subject}: at most {self.max_ratio:.3g} x {self.against}{more}"

    def judge(self, samples: Samples, unit: str) -> "Verdict":
        """Return whether it was reached; None if it was not measured, or not steadily enough.

        Two subjects are compared block by block. Where the middle half of the blocks agrees, that
        is the verdict; where it does not, their median is if they lie close together.
        """
        text = self.text(unit)
        values = samples.get(self.subject)
        against = [0.0] if self.against is None else samples.get(self.against)
        if not values or not against:
            return Verdict(text, None, None, None)
        value = middle(values)
        if self.exactly is not None:
            return Verdict(text, value, self.exactly, value == self.exactly)
        if self.at_most is not None:
            return Verdict(text, value, self.at_most, value <= self.at_most)
        if self.at_least is not None:
            return Verdict(text, value, self.at_least, value >= self.at_least)
        shares = self._shares(values, against)
        share = median(shares)
        low, high = (share, share) if self.is_count else _middle_half(shares)
        limit = rounded(self._limit(middle(against)))
        if low <= 1 < high and high - low > SPREAD_MAX * share:
            return Verdict(text, value, limit, None, is_noisy=True)
        return Verdict(text, value, limit, share <= 1)

    def _shares(self, values: Sequence[float], against: Sequence[float]) -> list[float]:
        """Return what share of its limit each block takes: more than 1 misses it."""
        count = min(BLOCKS_MAX, len(values), len(against))
        pairs = zip(_blocks(values, count), _blocks(against, count), strict=True)
        if self.min_ratio is not None:
            return [_share(self._limit(base), value) for value, base in pairs]
        return [_share(value, self._limit(base)) for value, base in pairs]

    def _limit(self, base: float) -> float:
        return (self.min_ratio or self.max_ratio or 0) * base + self.plus


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a goal: the figure, its limit in that run, and whether it was reached."""

    text: str
    value: float | None
    limit: float | None
    reached: bool | None
    is_noisy: bool = False


def _share(value: float, limit: float) -> float:
    if limit == 0:
        return 1.0 if value == 0 else inf
    return value / limit


def _middle_half(shares: Sequence[float]) -> tuple[float, float]:
    """Return between which two the middle half of the blocks lies."""
    if len(shares) < BLOCKS_MIN:
        share = median(shares)
        return share * (1 - UNKNOWN_SPREAD / 2), share * (1 + UNKNOWN_SPREAD / 2)
    low, _median, high = quantiles(shares, n=4, method="inclusive")
    return low, high


def _blocks(values: Sequence[float], count: int) -> list[float]:
    """Return the medians of so many parts of the values, in the order they were taken."""
    ends = [len(values) * number // count for number in range(count + 1)]
    return [middle(values[start:end]) for start, end in pairwise(ends)]


def rounded(value: float) -> float:
    """As many digits as such a figure can be trusted for."""
    return float(f"{value:.{ENOUGH_DIGITS}g}")
