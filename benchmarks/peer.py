"""One instance that begins with nothing and writes, or reads, in a process of its own.

python -m benchmarks.peer SUBJECT read|write COUNT ROWS DIRECTORY
Prints JSON: seconds and the bill of the first operation, and of all the others.
"""

import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks import data, moto_cloud
from benchmarks.peers import SUBJECTS
from benchmarks.subjects import Subject
from benchmarks.workplace import check


def main(name: str, kind: str, count: int, rows: int, directory: Path) -> None:
    url = os.environ["AWS_ENDPOINT_URL"]
    peer = SUBJECTS[name]
    opener: Callable[[Path], Subject] = getattr(
        import_module(peer.module), peer.reader if kind == "read" else peer.opener
    )
    runs_already = peer.is_server and kind == "write"
    subject = opener(directory) if runs_already else None
    if runs_already:
        moto_cloud.settle(url)
    with moto_cloud.timed(url):
        before, started = moto_cloud.bill(url), perf_counter()
        subject = subject or opener(directory)
        operation = _operation(subject, kind, rows)
        operation(0)
        first = _since(before, started, url)
        before, started = moto_cloud.bill(url), perf_counter()
        for turn in range(1, count):
            operation(turn)
        others = _since(before, started, url)
    subject.close()
    sys.stdout.write(json.dumps({"first": first, "others": others}))


def _operation(subject: Subject, kind: str, rows: int) -> Callable[[int], None]:
    def read(turn: int) -> None:
        number = data.row_of(turn, rows)
        check(kind, subject.read(number), number)

    return read if kind == "read" else subject.write


def _since(before: dict[str, float], started: float, url: str) -> dict[str, Any]:
    duration_s = perf_counter() - started
    after = moto_cloud.bill(url)
    return {"duration_s": duration_s, **{name: after[name] - before[name] for name in after}}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
