"""Figures and verdicts in words, for terminal, page and plot alike."""

from typing import Any

WHOLE_FROM = 100


def number(value: float | None) -> str:
    """Three digits that count; no more than the measurement is worth."""
    if value is None:
        return "-"
    if value == int(value) or abs(value) >= WHOLE_FROM:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def verdict_word(goal: dict[str, Any]) -> str:
    """What a goal came to."""
    if goal["reached"] is None:
        return "not measured"
    return "reached" if goal["reached"] else "MISSED"
