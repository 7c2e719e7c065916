"""A goal as data, and whether a run reached it."""

from collections.abc import Mapping
from dataclasses import dataclass

ENOUGH_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Goal:
    """A limit on one subject's figure, alone or as a ratio to another's of the same table.

    `plus` is added to what `max_ratio` allows, in the table's unit.
    """

    subject: str
    against: str | None = None
    max_ratio: float | None = None
    min_ratio: float | None = None
    plus: float = 0
    exactly: float | None = None
    at_most: float | None = None

    def text(self, unit: str) -> str:
        """The goal in words."""
        if self.exactly is not None:
            return f"{self.subject}: {self.exactly:g}"
        if self.at_most is not None:
            return f"{self.subject}: at most {self.at_most:g} {unit}".rstrip()
        if self.min_ratio is not None:
            return f"{self.subject}: at least {self.min_ratio:.3g} x {self.against}"
        more = f" + {self.plus:g} {unit}" if self.plus else ""
        return f"{self.subject}: at most {self.max_ratio:.3g} x {self.against}{more}"

    def judge(self, medians: Mapping[str, float], unit: str) -> "Verdict":
        """Whether it was reached; None if one of the two was not measured."""
        value = medians.get(self.subject)
        base = medians.get(self.against) if self.against is not None else 0.0
        if value is None or base is None:
            return Verdict(self.text(unit), None, None, None)
        if self.exactly is not None:
            return Verdict(self.text(unit), value, self.exactly, value == self.exactly)
        if self.at_most is not None:
            return Verdict(self.text(unit), value, self.at_most, value <= self.at_most)
        if self.min_ratio is not None:
            limit = self.min_ratio * base
            return Verdict(self.text(unit), value, rounded(limit), value >= limit)
        limit = (self.max_ratio or 0) * base + self.plus
        return Verdict(self.text(unit), value, rounded(limit), value <= limit)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a goal came to: the figure, its limit in that run, and whether it was reached."""

    text: str
    value: float | None
    limit: float | None
    reached: bool | None


def rounded(value: float) -> float:
    """As many digits as such a figure can be trusted for."""
    return float(f"{value:.{ENOUGH_DIGITS}g}")
