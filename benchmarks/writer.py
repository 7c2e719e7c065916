"""One of several processes that write to one database at once.

python -m benchmarks.writer SUBJECT COUNT NUMBER DIRECTORY
Prints "ready", waits for a line, writes, and prints JSON: what was acknowledged and when.
"""

import json
import sys
from pathlib import Path
from time import monotonic, perf_counter

from benchmarks.subjects import open_subject, refusals_of


def main(name: str, count: int, number: int, directory: Path) -> None:
    subject = open_subject(name, directory)
    refusals = refusals_of(name)
    subject.write(number)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    durations_s = []
    refused = 0
    started_s = monotonic()
    for turn in range(count):
        started = perf_counter()
        try:
            subject.write(number * count + turn)
        except refusals:
            refused += 1
        else:
            durations_s.append(perf_counter() - started)
    ended_s = monotonic()
    subject.close()
    report = {
        "durations_s": durations_s,
        "refused": refused,
        "started_s": started_s,
        "ended_s": ended_s,
    }
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
