"""Writers in processes of their own, as Lambda instances are: started together, on one directory.

python -m tests.writers PROCESSES COUNT SQL     COUNT writes each; prints which were acknowledged
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PATIENCE_MS = 400_000

_barriers: list[Barrier] = []
"""The one that the forks of this process wait at."""


def run_together(
    processes: int, count: int, sql: str, environment: Mapping[str, str]
) -> list[list[Any]]:
    """Run the processes; return the rows that the writes of each returned."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.writers", str(processes), str(count), sql],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        timeout=800,
    )
    written: list[list[Any]] = json.loads(done.stdout)
    assert len(written) == processes
    return written


def write_together(processes: int, count: int, sql: str) -> list[list[Any]]:
    """Fork processes from this one, which has loaded all that they need."""
    import handler.local  # noqa: F401
    import locking.dynamodb  # noqa: F401

    forking = get_context("fork")
    _barriers.append(forking.Barrier(processes))
    with ProcessPoolExecutor(processes, forking) as writers:
        return list(writers.map(write_with_others, repeat(count), repeat(sql), range(processes)))


def write_with_others(count: int, sql: str, number: int) -> list[Any]:
    """Begin when each process has a number, so that none has two."""
    _barriers[-1].wait(PATIENCE_MS / 1000)
    return write(count, sql, number)


def write(count: int, sql: str, number: int) -> list[Any]:
    """Write through the handler; the rows returned, without those of refused writes."""
    from handler import local
    from sqlatch.kernel.errors import SqlatchError

    local.TIMEOUT_S = PATIENCE_MS / 1000
    rows: list[Any] = []
    for turn in range(count):
        event = {
            "query": sql,
            "parameters": [f"{number}-{turn}"] if "?" in sql else [],
            "timeout_ms": PATIENCE_MS,
        }
        try:
            rows += local.invoke(event)["rows"]
        except SqlatchError:
            continue
    return rows


def without_protection(taken_out: Sequence[str]) -> None:
    """Take out, one by one, what keeps two writers apart: the negative control of these tests."""
    from contextlib import contextmanager

    import apsw

    from locking.lease import HeldLease, Lease
    from locking.leases import Leases

    if "lease" in taken_out:

        @contextmanager
        def hold(
            self: Any, database: str, *, holder: str, deadline_s: float, **_patience: float
        ) -> Any:
            held = HeldLease(database, "", holder, 0, deadline_s, 0)
            yield Lease(held, taken_over=False, waited_ms=0, clock=self._clock)

        Leases.hold = hold  # type: ignore[assignment]
    if "file locks" in taken_out:
        opened = apsw.Connection

        def unlocked(path: str, **options: Any) -> apsw.Connection:
            return opened(path, **options | {"vfs": "unix-none"})

        apsw.Connection = unlocked  # type: ignore[assignment, misc]


if __name__ == "__main__":
    without_protection(os.environ.get("TEST_WITHOUT", "").split(","))
    json.dump(write_together(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]), sys.stdout)
