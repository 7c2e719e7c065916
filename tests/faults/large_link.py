"""A process that answers a request for a link to a large result, and says what that took.

python -m tests.faults.large_link FORM ROWS    in the environment of a function; prints JSON
"""

import json
import resource
import sys
import time
from typing import Any

from handler import local

ROW = """
WITH RECURSIVE i (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM i WHERE n < ?)
SELECT n AS id, 'UA' AS carrier, 2013 AS year, n % 12 AS month, n % 2400 AS dep_time,
  n * 0.37 AS delay, 'N' || (n * 7919 % 99999) AS tailnum, '2013-01-01 05:00:00' AS time_hour,
  n % 5000 AS distance, 'EWR' AS origin, 'IAH' AS dest
FROM i
"""
"""Of 11 columns, as a row of flights: some 180 bytes as JSON and 70 as CSV."""


def main(form: str, rows: int) -> dict[str, Any]:
    """Make a link of few rows, so that everything is loaded, and then the large one."""
    local.TIMEOUT_S = 3_600.0
    local.invoke({"query": "CREATE TABLE IF NOT EXISTS t (n)"})
    local.invoke({"query": ROW, "parameters": [100], "link": form})
    before_kb, started_s = _peak_kb(), time.perf_counter()
    reply = local.invoke({"query": ROW, "parameters": [rows], "link": form})
    took_s = time.perf_counter() - started_s
    megabytes = reply["link"]["bytes"] / 1e6
    return {
        "link": reply["link"],
        "peak_kb": [before_kb, _peak_kb()],
        "seconds": round(took_s, 1),
        "megabytes_a_second": round(megabytes / took_s, 1),
    }


def _peak_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], int(sys.argv[2]))))
