"""One subject reads and writes again and again, looked at from outside.

python -m benchmarks.repeat SUBJECT COUNT DIRECTORY
A look at MARK_FILE stands before the reads, between them and the writes, and behind those.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import data
from benchmarks.subjects import open_subject

MARK_FILE = "mark"


def main(name: str, count: int, directory: Path) -> None:
    subject = open_subject(name, directory)
    subject.write(0)
    _repeat(subject.read, count)
    mark = directory / MARK_FILE
    mark.exists()
    _repeat(subject.read, count)
    mark.exists()
    _repeat(subject.write, count)
    mark.exists()
    subject.close()


def _repeat(action: Callable[[int], object], count: int) -> None:
    for _turn in range(count):
        action(data.row_of(1))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
