"""The page on reliability says what was counted, and nothing that was not."""

import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from tests.faults import page, report
from tests.faults.promises import PROMISES, Figure
from tests.writers import ROOT

if not page.JSON_FILE.exists():
    pytest.skip("no full run has been counted yet: make faults FULL=1", allow_module_level=True)

COUNTED = json.loads(page.JSON_FILE.read_text())
NEVER = {
    "lost", "doubled", "refused_and_kept", "torn_reads", "stale_reads", "torn", "torn_for_good",
}  # fmt: skip
"""Counts that are zero wherever a promise holds, and in no negative control."""


def test_the_page_is_what_the_last_full_run_counted() -> None:
    assert page.PAGE_FILE.read_text() == page.page(COUNTED)


def test_every_promise_names_its_tests() -> None:
    assert [
        path for promise in PROMISES for path in promise.tests if not (ROOT / path).exists()
    ] == []


def test_every_record_of_the_run_is_in_a_figure_of_the_page() -> None:
    patterns = [one for promise in PROMISES for wanted in promise.figures for one in wanted.records]

    assert [
        name
        for name in COUNTED["records"]
        if not any(fnmatchcase(name, one) for one in [*patterns, "planted-*", "nfs_*"])
    ] == []


def test_the_page_shows_no_promise_broken_and_every_control_broken() -> None:
    broken = [
        (wanted.label, page.figure(wanted, COUNTED["records"]))
        for promise in PROMISES
        for wanted in promise.figures
        if wanted.count in NEVER
    ]

    assert {number for label, number in broken if not label.startswith("control")} <= {
        "0",
        "0 (short run)",
        "not run",
    }
    assert "0" not in {number for label, number in broken if label == "control: torn reads"}


def test_a_figure_sums_or_takes_the_largest_of_the_records_it_names() -> None:
    records: dict[str, dict[str, Any]] = {
        "a-1": {"n": 1200, "s": 0.5},
        "a-2": {"n": 34, "s": 1.25},
        "b": {"n": 9},
    }

    assert page.figure(Figure("", ("a-*",), "n"), records) == "1,234"
    assert page.figure(Figure("", ("a-*", "b"), "n"), records) == "1,243"
    assert page.figure(Figure("", ("a-*",), "s", largest=True, unit=" s"), records) == "1.25 s"


def test_a_figure_of_a_short_run_says_so() -> None:
    records: dict[str, dict[str, Any]] = {"a": {"n": 2}, "b": {"n": 3, "short": True}}

    assert page.figure(Figure("", ("a",), "n"), records) == "2"
    assert page.figure(Figure("", ("a", "b"), "n"), records) == "5 (short run)"


def test_what_was_not_run_is_said_to_be_not_run() -> None:
    assert page.figure(Figure("", ("c",), "n"), {"a": {"n": 1}}) == "not run"
    assert "not run" in page.page({**COUNTED, "records": {}})


def test_the_counts_of_a_full_run_are_kept_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "COUNTED", tmp_path)
    monkeypatch.setattr(report, "COUNTED_IN_FULL", tmp_path / "full")
    for full in (False, True):
        monkeypatch.setattr(report, "FULL", full)
        report.record("some", full=full)

    assert page.collected(tmp_path / "full")["records"] == {"some": {"full": True}}
    assert json.loads((tmp_path / "short" / "some.json").read_text()) == {"full": False}


def test_a_campaign_that_is_run_again_by_itself_takes_the_place_of_its_last_run() -> None:
    first = {"made": {"on": "2026-01-01"}, "records": {"b": {"n": 1}, "c": {"n": 1}}}
    again = {"made": {"on": "2026-01-03"}, "records": {"c": {"n": 2}, "a": {"n": 3}}}

    both = page.added(first, again)

    assert both["made"] == {"from": "2026-01-01", "on": "2026-01-03"}
    assert list(both["records"].items()) == [("a", {"n": 3}), ("b", {"n": 1}), ("c", {"n": 2})]
    assert page.added(both, {"made": {"on": "2026-01-04"}, "records": {}})["made"] == {
        "from": "2026-01-01", "on": "2026-01-04"
    }  # fmt: skip
