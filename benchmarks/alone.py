"""One subject alone in a process: its reads and its writes, without the time in calls to AWS.

python -m benchmarks.alone SUBJECT READS WRITES DIRECTORY
Prints JSON: the seconds of each, and how many calls to AWS one makes.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks import data
from benchmarks.inside_aws import Meter, metered
from benchmarks.subjects import open_subject
from benchmarks.workplace import check

WARM_UP = 2


def main(name: str, reads: int, writes: int, directory: Path) -> None:
    subject = open_subject(name, directory)
    check(name, subject.read(data.row_of(1)))
    with metered() as meter:
        report = {
            "read": _timed(lambda turn: subject.read(data.row_of(turn)), reads, meter),
            "write": _timed(subject.write, writes, meter),
        }
    subject.close()
    sys.stdout.write(json.dumps(report))


def _timed(action: Callable[[int], object], count: int, meter: Meter) -> dict[str, Any]:
    durations_s: list[float] = []
    calls = 0
    for turn in range(-WARM_UP if count else 0, count):
        inside_s, calls_before = meter.duration_s, meter.calls
        started = perf_counter()
        action(abs(turn))
        duration_s = perf_counter() - started - (meter.duration_s - inside_s)
        if turn >= 0:
            durations_s.append(duration_s)
            calls += meter.calls - calls_before
    return {"durations_s": durations_s, "calls": calls / count if count else 0}


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
