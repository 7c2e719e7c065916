"""The memory of one instance; prints it as JSON, in bytes.

python -m benchmarks.footprint warm SUBJECT DIRECTORY
python -m benchmarks.footprint peak arrays|objects|http ROWS DIRECTORY
"""

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks import data
from benchmarks.process import peak_bytes, reset_peak, resident_bytes

ROWS = "SELECT id, name, size, weight, note FROM things LIMIT ?"
READS = 200
WRITES = 5
OK = 200


def warm(name: str, directory: Path) -> dict[str, int]:
    """After some writes and many reads."""
    from benchmarks.subjects import open_subject

    subject = open_subject(name, directory)
    for number in range(WRITES):
        subject.write(number)
    for turn in range(READS):
        subject.read(data.row_of(turn))
    return {"resident_bytes": resident_bytes()}


def peak(door: str, rows: int, directory: Path) -> dict[str, int]:
    """Measure one large reply beyond a warm instance, encoded as Lambda's runtime does it.

    `reply_bytes` is 0 if the service refused it as too large.
    """
    from benchmarks import service
    from sqlatch.kernel.errors import ResultTooLarge

    subject = service.open_subject(directory)
    for turn in range(READS):
        subject.read(turn + 1)
    event = _event(door, rows)
    before_bytes = resident_bytes()
    reset_peak()
    try:
        reply = subject.invoke(event)
    except ResultTooLarge:
        return {"reply_bytes": 0, "peak_bytes": 0}
    if reply.get("statusCode", OK) != OK:
        return {"reply_bytes": 0, "peak_bytes": 0}
    encoded = json.dumps(reply, separators=(",", ":"), ensure_ascii=False).encode()
    return {"reply_bytes": len(encoded), "peak_bytes": peak_bytes() - before_bytes}


def _event(door: str, rows: int) -> dict[str, Any]:
    if door == "http":
        from benchmarks.replies import http_event

        return http_event(query=ROWS, parameters=[rows])
    return {"query": ROWS, "parameters": [rows], "rows_as": door}


if __name__ == "__main__":
    if sys.argv[1] == "warm":
        answer = warm(sys.argv[2], Path(sys.argv[3]))
    else:
        answer = peak(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
    sys.stdout.write(json.dumps(answer))
