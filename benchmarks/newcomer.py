"""A new instance up to its first row of a database in a log; prints what it took, as JSON.

python -m benchmarks.newcomer DATABASE ROW one|all LOGS COPIES
`bytes_read` are those of all files. `resident_bytes` is the memory of the process afterwards.
"""

import json
import sys
from pathlib import Path
from time import perf_counter

from benchmarks import data, service
from benchmarks.process import read_bytes, resident_bytes
from benchmarks.workplace import check

KNOWN = "known"
"""A database that is read first: what is measured is another database, not another process."""

ALL = "SELECT sum(length(note)) FROM things"


def main(database: str, row: int, rows: str, logs: Path, copies: Path) -> None:
    subject = service.on_logs(logs, copies)
    subject.send(query=data.READ, parameters=[1], database=KNOWN)
    before_bytes = read_bytes()
    started = perf_counter()
    reply = subject.send(query=data.READ, parameters=[row], database=database)
    duration_s = perf_counter() - started
    report = {"duration_s": duration_s, "bytes_read": read_bytes() - before_bytes}
    check(database, reply["rows"][0][1], row)
    if rows == "all":
        subject.send(query=ALL, database=database, timeout_ms=service.PATIENCE_MS)
    report["resident_bytes"] = resident_bytes()
    subject.close()
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]), Path(sys.argv[5]))
