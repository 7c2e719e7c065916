"""Experiments as data: an experiment runs, and fills tables that have goals."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.goals import Goal
from benchmarks.sampling import Tables
from benchmarks.workplace import Workplace


@dataclass(frozen=True, slots=True)
class Table:
    """One figure of several subjects. `floor` is the subject that the ratios are to.

    A figure that a bar can show is `plotted`. Tables that are `part_of` one thing are columns of
    one table on the page.
    """

    key: str
    title: str
    unit: str
    floor: str
    goals: tuple[Goal, ...] = ()
    note: str = ""
    plotted: bool = False
    part_of: str = ""


@dataclass(frozen=True, slots=True)
class Experiment:
    """A function that takes the samples of its tables."""

    name: str
    run: Callable[[Workplace], Tables]
    tables: tuple[Table, ...]
