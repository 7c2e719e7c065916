"""Reads and branches of the past, on logs in a directory.

    python -m benchmarks.history [MEGABYTES ...]        1 and 1,000 unless given

A database of that size, 1,000 commits of a row behind it, and a pass of the reaper in between. Then
moments are read for the first time, each from a copy of its own, and a branch is made of one.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.hydration import TIMEOUT_MS, make

COMMITS = 1_000
MOMENTS = 20
WITHIN_S = 600


def took_ms(work: Callable[[], Any]) -> float:
    begun_s = time.perf_counter()
    work()
    return (time.perf_counter() - begun_s) * 1000


def commit(name: str, commits: int) -> list[str]:
    """Add rows, each in a commit; return the positions."""
    from handler.local import invoke

    add = {"database": name, "query": "INSERT INTO t (v) VALUES (1)"}
    return [invoke(add)["meta"]["position"] for _ in range(commits)]


def measured(name: str, path: Path) -> list[float]:
    """Return the milliseconds of a first read of the past, of one again, and of a branch."""
    from handler.local import invoke
    from handler.service import service

    databases = service().databases
    databases.add(name, path)
    positions = commit(name, COMMITS // 2)
    databases.tend(name, time.time() + WITHIN_S)
    positions += commit(name, COMMITS // 2)

    def read(at: str) -> None:
        query = "SELECT v FROM t ORDER BY id DESC LIMIT 1"
        invoke({"database": name, "query": query, "at": at, "timeout_ms": TIMEOUT_MS})

    moments = positions[:: COMMITS // MOMENTS]
    first = [took_ms(lambda at=at: read(at)) for at in moments]  # type: ignore[misc]
    again = [took_ms(lambda: read(moments[-1])) for _ in moments]
    branch = {"branch": f"{name}-then", "database": name, "at": positions[COMMITS // 2],
              "timeout_ms": TIMEOUT_MS}  # fmt: skip
    branched = took_ms(lambda: invoke(branch))
    return [statistics.median(first), max(first), statistics.median(again), branched]


def main(arguments: Sequence[str]) -> None:
    table = Table(
        "", "first read, median ms", "slowest", "again", "branch, ms", "MB/s of it", box=None
    )
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory, "logs")
        home.mkdir()
        os.environ |= {
            "SQLATCH_LOG": f"directory:{home}", "SQLATCH_COPIES": directory,
            "LOG_LEVEL": "WARNING",
        }  # fmt: skip
        for megabytes in [int(one) for one in arguments] or [1, 1_000]:
            path = Path(directory, "whole.db")
            make(path, megabytes)
            figures = measured(f"mb-{megabytes}", path)
            size_mb = path.stat().st_size / 1e6
            path.unlink()
            shown = [f"{each:,.1f}" for each in figures]
            table.add_row(f"{megabytes:,} MB", *shown, f"{size_mb / figures[-1] * 1000:,.0f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
