"""A process that reads many databases in turn; prints what it took, as JSON.

python -m benchmarks.round_robin SUBJECT DATABASES READS DIRECTORY
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from benchmarks import data
from benchmarks.process import open_files, resident_bytes
from benchmarks.subjects import BARE

BARE_OPEN_MAX = 64
"""As many connections as the service keeps open: all of them would be past 1,024 files."""


def main(name: str, databases: int, reads: int, directory: Path) -> None:
    read = _bare(directory) if name == BARE else _sqlatch(directory)
    for number in range(databases):
        read(number, 1)
    durations_s = []
    for turn in range(reads):
        started = perf_counter()
        read(turn % databases, data.row_of(turn))
        durations_s.append(perf_counter() - started)
    report = {
        "durations_s": durations_s,
        "open_files": open_files(),
        "resident_bytes": resident_bytes(),
    }
    sys.stdout.write(json.dumps(report))


def name_of(number: int) -> str:
    """The database's name."""
    return f"database-{number:04}"


def _sqlatch(directory: Path) -> Callable[[int, int], None]:
    from benchmarks import service

    subject = service.open_subject(directory)

    def read(database: int, number: int) -> None:
        subject.send(query=data.READ, parameters=[number], database=name_of(database))

    return read


def _bare(directory: Path) -> Callable[[int, int], None]:
    from benchmarks.bare import Bare

    opened: dict[int, Bare] = {}

    def read(database: int, number: int) -> None:
        subject = opened.pop(database, None) or Bare(directory / f"{name_of(database)}.db")
        opened[database] = subject
        if len(opened) > BARE_OPEN_MAX:
            opened.pop(next(iter(opened))).close()
        subject.read(number)

    return read


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
