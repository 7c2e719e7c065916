"""The measurement of the console, with a few rows."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks import console


def test_paint_and_frames_are_measured(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "SCROLLED_S", 0.1)

    (figures,) = console.measured(browser, tmp_path, 1, rows=1_000)

    assert list(figures) == [
        "first paint, ms",
        "frames a second, steady",
        "frames a second, jumps",
    ]
    assert min(figures.values()) > 0
