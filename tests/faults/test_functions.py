"""Each function of SQLite, with the largest values that it takes, costs what they are long.

No deadline ends a call, so the length of one is how late a request can end.
"""

from collections.abc import Sequence
from typing import Any

import apsw
import pytest

from tests.faults import functions
from tests.faults.report import record

pytestmark = pytest.mark.slow

TRIES_MAX = 3
"""A machine that does other things makes a call long, but not three times over."""

CODES = {"answered", "STATEMENT_ERROR", "RESULT_TOO_LARGE", "TIMEOUT", "FORBIDDEN_STATEMENT"}


def test_no_function_of_sqlite_is_left_out() -> None:
    connection = apsw.Connection(":memory:")
    there_are = {name for (name,) in connection.execute("SELECT name FROM pragma_function_list")}
    connection.close()

    assert functions.names() == there_are


@pytest.mark.timeout(3_600)
def test_a_call_of_the_largest_values_ends_within_so_many_copies_of_one() -> None:
    outcomes = run_until_in_time(list(functions.calls()), functions.COPIES_MAX)

    assert late(outcomes, functions.COPIES_MAX) == []
    record("functions", functions=len(functions.names()), **counts(outcomes))


@pytest.mark.timeout(3_600)
def test_a_pattern_of_the_longest_kind_takes_its_length_times_the_texts() -> None:
    patterns = [("like", pattern) for pattern in functions.PATTERNS]

    outcomes = run_until_in_time(patterns, functions.PATTERNS_COPIES_MAX)

    assert late(outcomes, functions.PATTERNS_COPIES_MAX) == []
    record("patterns", **counts(outcomes))


def run_until_in_time(calls: list[tuple[str, str]], copies_max: float) -> list[dict[str, Any]]:
    outcomes = functions.run(calls)
    for _try in range(TRIES_MAX - 1):
        again = [(one["name"], one["call"]) for one in late(outcomes, copies_max)]
        if again:
            outcomes = [one for one in outcomes if not is_late(one, copies_max)]
            outcomes += functions.run(again)
    assert {one["code"] for one in outcomes} <= CODES
    return outcomes


def late(outcomes: Sequence[dict[str, Any]], copies_max: float) -> list[dict[str, Any]]:
    return [one for one in outcomes if is_late(one, copies_max)]


def is_late(outcome: dict[str, Any], copies_max: float) -> bool:
    return bool(outcome["past_s"] > copies_max * outcome["copy_s"])


def counts(outcomes: Sequence[dict[str, Any]]) -> dict[str, float]:
    return {
        "calls": len(outcomes),
        "past_deadline_s_max": max(0.0, *(one["past_s"] for one in outcomes)),
        "past_deadline_copies_max": round(
            max(0.0, *(one["past_s"] / one["copy_s"] for one in outcomes)), 1
        ),
    }
