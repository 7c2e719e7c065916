"""One subject reads and writes again and again, looked at from outside.

python -m benchmarks.repeat SUBJECT COUNT DIRECTORY
Before each request it looks for MARK_FILE: COUNT reads, then as many writes, then one mark more.
"""

import sys
from pathlib import Path

from benchmarks import data
from benchmarks.subjects import open_subject

MARK_FILE = "mark"


def main(name: str, count: int, directory: Path) -> None:
    subject = open_subject(name, directory)
    mark = directory / MARK_FILE
    subject.write(0)
    subject.read(data.row_of(1))
    for action in (subject.read, subject.write):
        for _turn in range(count):
            mark.exists()
            action(data.row_of(1))
    mark.exists()
    subject.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
