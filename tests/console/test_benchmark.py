"""The measurement of the console, with a few rows."""

from pathlib import Path

import pytest

from benchmarks import console


def test_paint_and_frames_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "SCROLLED_S", 0.1)

    (figures,) = console.measured(tmp_path, 1, rows=1_000)

    assert list(figures) == [
        "first paint, ms",
        "frames a second, steady",
        "frames a second, jumps",
    ]
    assert min(figures.values()) > 0
