"""A point read on an embedded replica beside a bare one of SQLite, in one process and in turn.

    python -m benchmarks.replica [READS]        5,000 unless given

The leader is `sqlatch serve` on a log in a directory. Microseconds of a read: the median of rounds.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
from rich.console import Console

import sqlatch
from sqlatch import dbapi
from tests.handler.two_nodes import leading

ROUNDS = 9
ROWS = 1_000
READ = "SELECT id, name, size FROM things WHERE id = ?"


def took_us(read: Callable[[int], Any], reads: int) -> float:
    begun_s = time.perf_counter()
    for number in range(reads):
        read(1 + number % ROWS)
    return (time.perf_counter() - begun_s) / reads * 1e6


def measured(directory: Path, reads: int) -> dict[str, float]:
    """Return the microseconds of a read by each way."""
    with leading(directory) as leader:
        given: dict[str, Any] = {"token": leader.token, "path": directory / "copy"}
        url = f"replica+{leader.url}/main"
        with (
            sqlatch.connect(url, **given) as client,
            closing(dbapi.connect(url, **given)) as connection,
        ):
            client.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT, size INTEGER)")
            rows = [(number, f"thing {number}", number * 7) for number in range(1, ROWS + 1)]
            client.load("INSERT INTO things VALUES (?, ?, ?)", rows)
            client.sync()
            (copy,) = (directory / "copy").glob("**/main/db")
            bare = apsw.Connection(str(copy), flags=apsw.SQLITE_OPEN_READONLY)

            def by_dbapi(number: int) -> None:
                connection.execute(READ, (number,)).fetchall()
                connection.rollback()

            ways: dict[str, Callable[[int], Any]] = {
                "SQLite": lambda number: bare.execute(READ, (number,)).fetchall(),
                "replica": lambda number: client.query(READ, [number]),
                "replica, DB-API": by_dbapi,
            }
            rounds = [
                {name: took_us(read, reads // ROUNDS + 1) for name, read in ways.items()}
                for _round in range(ROUNDS)
            ]
            bare.close()
    return {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}


def main(arguments: Sequence[str]) -> None:
    reads = int(arguments[0]) if arguments else 5_000
    console = Console()
    with tempfile.TemporaryDirectory() as directory:
        for name, us in measured(Path(directory), reads).items():
            console.print(f"{name:<16} {us:8.1f} us")


if __name__ == "__main__":
    main(sys.argv[1:])
