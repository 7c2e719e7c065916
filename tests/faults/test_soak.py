"""The service at work for minutes: nothing of it grows, and it gets no slower.

With SQLATCH_FAULTS_FULL=1 it is an hour; SQLATCH_FAULTS_SOAK_S says how many seconds instead.
"""

import gc
import json
import logging
import os
import statistics
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import apsw
import pytest

from handler import local
from handler.service import service
from sqlatch.kernel.errors import Constraint, StatementError, Timeout
from tests.conftest import Ask
from tests.faults.report import FULL, record

pytestmark = pytest.mark.slow

SOAK_S = float(os.environ.get("SQLATCH_FAULTS_SOAK_S", 3_600 if FULL else 30))
PART = 0.05
"""Of the time, what is the first part, and what the last; the rest is between them."""

GROWTH_MAX_MB = 16
SLOWER_MAX = 1.5
"""The median kind of request: how much more it costs in the last part than in the first.

A cost is processor time beside that of :func:`yardstick`, taken at the same moment: on a machine
that has other work too, the same request takes twice the processor time of an idle one.
"""

ROWS_KEPT = 500
DATABASES = ("main", "orders", "logs")

TEXT = json.dumps([{"number": number, "text": "x" * 20} for number in range(400)])

Step = Callable[[int], Any]


@pytest.fixture(autouse=True)
def silent() -> Iterator[None]:
    """Without the log: pytest would keep every line of it in memory."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.timeout(SOAK_S * 2 + 600)
def test_it_is_after_hours_as_it_was_after_minutes(ask: Ask, environment: dict[str, str]) -> None:
    for database in DATABASES:
        ask(
            database=database,
            statements=[
                {"query": "CREATE TABLE t (id INTEGER PRIMARY KEY, n, x TEXT)"},
                {"query": "CREATE INDEX t_n ON t (n)"},
            ],
        )
    steps = mixed()
    warm_up(steps)
    started_s = time.monotonic()
    first = array("d", part(steps, 0, SOAK_S * PART))
    before = held()
    sent = len(first) + sum(1 for _cost in part(steps, len(first), SOAK_S * (1 - 2 * PART)))
    last = array("d", part(steps, sent, SOAK_S * PART))
    after = held()
    slower = [
        statistics.median(last[(kind - sent) % len(steps) :: len(steps)])
        / statistics.median(first[kind :: len(steps)])
        for kind in range(len(steps))
    ]

    assert after["connections"] == before["connections"]
    assert after["files"] <= before["files"]
    assert after["threads"] == before["threads"]
    assert after["memory_mb"] <= before["memory_mb"] + GROWTH_MAX_MB
    assert statistics.median(slower) <= SLOWER_MAX, slower
    assert service().leases.held() == []
    for database in DATABASES:
        assert ask(database=database, query="PRAGMA integrity_check")["rows"] == [["ok"]]
    record(
        f"soak_{environment.get('SQLATCH_LEASES', 'sqlite').partition(':')[0]}",
        seconds=round(time.monotonic() - started_s),
        requests=sent + len(last),
        grown_mb=round(after["memory_mb"] - before["memory_mb"], 1),
        slower=round(statistics.median(slower), 2),
    )


def mixed() -> list[Step]:
    """The requests of callers: reads, writes, batches, large values, mistakes, texts sent once."""

    def send(**event: Any) -> None:
        with suppress(StatementError, Timeout, Constraint):
            local.invoke(event)

    def database(number: int) -> str:
        return DATABASES[number % len(DATABASES)]

    insert = "INSERT OR REPLACE INTO t VALUES (?, ?, ?)"
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    return [
        lambda n: send(database=database(n), query=insert,
                       parameters=[n % ROWS_KEPT, n, "x" * (n % 3_000)]),
        lambda n: send(database=database(n), query="SELECT * FROM t WHERE id = ?",
                       parameters=[n % ROWS_KEPT]),
        lambda n: send(database=database(n), query=f"SELECT {n} FROM t WHERE n > ? LIMIT 20",
                       parameters=[n - 50]),
        lambda n: send(database=database(n), statements=[
            {"query": insert, "parameters": [n % ROWS_KEPT, n, "y"]},
            {"query": "SELECT count(*) FROM t"}]),
        lambda n: send(database=database(n), query=insert, parameter_sets=[
            [(n + more) % ROWS_KEPT, n, "z" * 100] for more in range(50)]),
        lambda n: send(database=database(n), query=f"SELEC {n}"),
        lambda n: send(database=database(n), query="INSERT INTO t VALUES (1, 1, 1), (1, 1, 1)"),
        lambda n: send(database=database(n), query=endless, timeout_ms=5),
        lambda n: send(database=database(n), query="SELECT instr(hex(zeroblob(200000)), ?)",
                       parameters=[str(n)]),
        lambda n: local.invoke({"database": database(n), "pipeline": {"requests": [
            {"type": "execute", "stmt": {"sql": "SELECT count(*) FROM t"}},
            {"type": "execute", "stmt": {"sql": f"UPDATE t SET n = {n} WHERE id = 1"}},
            {"type": "close"}]}}),
    ]  # fmt: skip


def warm_up(steps: list[Step]) -> None:
    """Fill the caches: a connection keeps 200 statements, the plans are 1,000."""
    for number in range(1_500):
        steps[number % len(steps)](number)


def part(steps: list[Step], begun: int, length_s: float) -> Iterator[float]:
    """The cost of each request of a time, in yardsticks. None is kept: an hour has many."""
    ends_s = time.monotonic() + length_s
    for number in count(begun):
        if time.monotonic() >= ends_s:
            return
        yield processor_s(lambda at: steps[at % len(steps)](at), number) / processor_s(yardstick, 0)


def processor_s(work: Step, number: int) -> float:
    """Return how long this process's processor works for it, in seconds."""
    before_s = time.process_time()
    work(number)
    return time.process_time() - before_s


def yardstick(_number: int) -> None:
    """Work that is the same at any time, of about the size of a small request."""
    json.loads(TEXT)


def held() -> dict[str, float]:
    """Return what this process holds now."""
    gc.collect()
    status = Path("/proc/self/status").read_text()
    return {
        "connections": len(apsw.connections()),
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "threads": int(status.split("Threads:")[1].split()[0]),
        "memory_mb": int(status.split("VmRSS:")[1].split()[0]) / 1024,
    }
