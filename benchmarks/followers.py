"""A node that follows another one: how far it is behind, what a read costs, and a write sent on.

    python -m benchmarks.followers

Two nodes on this machine, each `sqlatch serve`. The leader takes 200 commits a second; the lag is
the time from the answer to a commit until a read at the other node, which names no age, has it. A
read there is compared with SQLite's own on a plain file, both in this process; a write at the node
with one at the leader, over HTTP.
"""

import os
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

COMMITS_A_SECOND = 200
LAG_S = 10.0
WRITERS = 4
READS = 5_000
WRITES = 300
QUERY = "SELECT v FROM t WHERE id = ?"


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def took_ms(work: Callable[[], object], times: int) -> list[float]:
    taken = []
    for _time in range(times):
        begun_s = time.perf_counter()
        work()
        taken.append((time.perf_counter() - begun_s) * 1000)
    return taken


@contextmanager
def nodes(home: Path) -> Iterator[tuple[Any, Any]]:
    """Yield a client of the leader, and one of a node that follows it."""
    from sqlatch.client import connect
    from tests.local_server import serving

    (home / "logs").mkdir()
    environment = {**os.environ, "SQLATCH_COPIES": str(home)}
    with serving("--log", f"directory:{home / 'logs'}", environment=environment) as leader:
        url = leader["SQLATCH_URL"].removesuffix("/main/")
        environment["SQLATCH_LOG_TOKEN"] = leader["SQLATCH_TOKEN"]
        with (
            serving("--log", url, environment=environment) as follower,
            closing(connect(leader["SQLATCH_URL"], token=leader["SQLATCH_TOKEN"])) as ours,
            closing(connect(follower["SQLATCH_URL"], token=leader["SQLATCH_TOKEN"])) as theirs,
        ):
            yield ours, theirs


def lags_ms(ours: Any, theirs: Any) -> list[float]:
    """Return the time of each commit until a read at the node had it."""
    committed_s: list[float] = []
    seen: dict[int, float] = {}
    ends = threading.Event()

    def read() -> None:
        while not ends.is_set():
            (highest,) = theirs.query("SELECT max(id) FROM lag").rows[0]
            now_s = time.perf_counter()
            for number in range(len(seen) + 1, (highest or 0) + 1):
                seen[number] = now_s

    ours.execute("CREATE TABLE lag (id INTEGER PRIMARY KEY)")
    theirs.query("SELECT max(id) FROM lag", at_least=ours.query("SELECT 1").meta["position"])
    reader = threading.Thread(target=read)
    reader.start()
    begun_s = time.perf_counter()
    numbers = count(1)

    def write() -> None:
        while (number := next(numbers)) <= LAG_S * COMMITS_A_SECOND:
            time.sleep(max(0.0, begun_s + number / COMMITS_A_SECOND - time.perf_counter()))
            ours.execute("INSERT INTO lag DEFAULT VALUES")
            committed_s.append(time.perf_counter())

    writers = [threading.Thread(target=write) for _ in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    rate = len(committed_s) / (committed_s[-1] - begun_s)
    while len(seen) < len(committed_s):
        time.sleep(0.001)
    ends.set()
    reader.join()
    Console().print(f"{rate:,.0f} commits a second")
    # An answer may overtake another on its way: the n-th is compared with the n-th row.
    return [
        max(0.0, seen[number] - at_s) * 1000 for number, at_s in enumerate(sorted(committed_s), 1)
    ]


def read_costs_us(home: Path, url: str, token: str) -> tuple[float, float]:
    """Return the median of a read of the copy, in this process, and of plain SQLite."""
    os.environ |= {"SQLATCH_LOG": url, "SQLATCH_LOG_TOKEN": token, "SQLATCH_COPIES": str(home),
                   "LOG_LEVEL": "ERROR"}  # fmt: skip
    from handler.local import invoke
    from handler.service import service

    service().databases.feed()
    event = {"database": "main", "query": QUERY, "parameters": [7]}
    took_ms(lambda: invoke(event), 200)
    plain = home / "plain.db"
    with closing(sqlite3.connect(plain)) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
        connection.executemany("INSERT INTO t VALUES (?, 'x')", ((n,) for n in range(1_000)))
        connection.commit()
        ours, bare = [], []
        for _round in range(10):
            ours += took_ms(lambda: invoke(event), READS // 10)
            bare += took_ms(lambda: connection.execute(QUERY, [7]).fetchall(), READS // 10)
    service().close()
    return statistics.median(ours) * 1000, statistics.median(bare) * 1000


def main() -> None:
    table = Table("", "median", "p99", box=None)
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        with nodes(home) as (ours, theirs):
            ours.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
            ours.batch([("INSERT INTO t VALUES (?, 'x')", [n]) for n in range(1_000)])
            lags = lags_ms(ours, theirs)
            table.add_row(
                "lag, ms", f"{statistics.median(lags):.1f}", f"{percentile(lags, 0.99):.1f}"
            )
            number = iter(range(10_000, 100_000))
            here: list[float] = []
            there: list[float] = []
            for _round in range(10):
                for client, taken in ((ours, here), (theirs, there)):
                    taken += took_ms(
                        lambda client=client: client.execute(  # type: ignore[misc]
                            "INSERT INTO t VALUES (?, 'x')", [next(number)]
                        ),
                        WRITES // 10,
                    )
            for name, taken in (("write at the leader, ms", here), ("write sent on, ms", there)):
                table.add_row(
                    name, f"{statistics.median(taken):.2f}", f"{percentile(taken, 0.99):.2f}"
                )
            url = ours.transport._origin
            read, bare = read_costs_us(home, url, str(ours.transport._token))
            table.add_row("read of the copy, us", f"{read:.0f}", "")
            table.add_row("read of plain SQLite, us", f"{bare:.0f}", "")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
