"""Writers in processes of their own, as Lambda instances are: started together, on one directory.

python -m tests.writers COUNT SQL [PARAMETER]     COUNT writes; prints how many were acknowledged
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PATIENCE_MS = 400_000


def run_together(
    processes: int, count: int, sql: str, environment: Mapping[str, str]
) -> list[list[Any]]:
    """Run the processes; return the rows that the writes of each returned."""
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.writers", str(count), sql, str(number)],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=800)[0] for process in started]
    assert [process.returncode for process in started] == [0] * processes
    return [json.loads(output) for output in outputs]


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
    import handler.local  # noqa: F401  (before the others wait for us)

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    acknowledged = write(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
    sys.stdout.write(json.dumps(acknowledged))
