"""Figures and verdicts in words, for terminal, page and plot alike."""

from collections.abc import Sequence
from typing import Any

WHOLE_FROM = 100


def number(value: float | None) -> str:
    """Three digits that count; no more than the measurement is worth."""
    if value is None:
        return "-"
    if value == int(value) or abs(value) >= WHOLE_FROM:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def goals_line(tables: Sequence[dict[str, Any]]) -> str:
    """Return how many goals were reached, and for how many the machine was too noisy."""
    goals = [goal for table in tables for goal in table["goals"]]
    reached = sum(goal["reached"] is True for goal in goals)
    noisy = sum(goal.get("is_noisy", False) for goal in goals)
    line = f"{reached} of {len(goals)} reached"
    return f"{line}, {noisy} not judged: this machine is too noisy" if noisy else line


def verdict_word(goal: dict[str, Any]) -> str:
    """Return the result of a goal in words."""
    if goal.get("is_noisy"):
        return "too noisy to judge"
    if goal["reached"] is None:
        return "not measured"
    return "reached" if goal["reached"] else "MISSED"
