"""The measurement of reads on a replica, with a few of them."""

from pathlib import Path

from benchmarks.replica import measured


def test_each_way_is_measured(tmp_path: Path) -> None:
    figures = measured(tmp_path, 9)

    assert list(figures) == ["SQLite", "replica", "replica, DB-API"]
    assert min(figures.values()) > 0
