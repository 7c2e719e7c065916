"""The first answers of a new instance on a large database in DynamoDB and S3.

    python -m benchmarks.hydration [MEGABYTES ...]      20 and 1,000 unless given

S3 answers after 20 ms and at 90 MB/s, DynamoDB after 4 ms. Each question has a process of its own,
without a copy: a row by its key, 200 rows by keys, and all of the table.
"""

import json
import os
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import moto_cloud
from tests.dynamodb_server import CREDENTIALS, create_log

ROW_BYTES = 1_000
ROWS_A_MEGABYTE = 1_000
KEYS = 200
TIMEOUT_MS = 600_000
QUESTIONS = {
    "first row": "SELECT length(v) FROM t WHERE id = :key",
    f"{KEYS} rows": "SELECT length(v) FROM t WHERE id = :key",
    "the whole table": "SELECT sum(length(v)) FROM t",
}


def make(path: Path, megabytes: int) -> None:
    """Make a database file of rows that do not pack."""
    chance = random.Random(1)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)")
        connection.executemany(
            "INSERT INTO t VALUES (?, ?)",
            ((n, chance.randbytes(ROW_BYTES)) for n in range(megabytes * ROWS_A_MEGABYTE)),
        )


def ask(database: str, question: str, rows: int) -> None:
    """Ask in this process, and print its time and its largest memory."""
    from handler.local import invoke

    invoke({"health": True})  # what is loaded is not timed
    number = KEYS if question == f"{KEYS} rows" else 1
    chance = random.Random(2)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun_s = time.perf_counter()
    for _ in range(number):
        parameters = {"key": chance.randrange(rows)} if "key" in QUESTIONS[question] else {}
        invoke(
            {
                "database": database,
                "query": QUESTIONS[question],
                "parameters": parameters,
                "timeout_ms": TIMEOUT_MS,
            }
        )
    took_s = time.perf_counter() - begun_s
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sys.stdout.write(json.dumps([took_s, (peak_kb - before_kb) / 1024, peak_kb / 1024]))


def measured(url: str, log: str, database: str, question: str, rows: int) -> list[str]:
    """Ask in a process without a copy; its time, calls, megabytes and memory as a row."""
    before = moto_cloud.bill(url)
    with tempfile.TemporaryDirectory() as copies:
        environment = {
            **os.environ, **CREDENTIALS, "AWS_ENDPOINT_URL": url, "SQLATCH_LOG": log,
            "SQLATCH_COPIES": copies, "LOG_LEVEL": "WARNING",
        }  # fmt: skip
        command = [sys.executable, "-m", __spec__.name, "ask", database, question, str(rows)]
        done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    after = moto_cloud.bill(url)
    took_s, more_mb, peak_mb = json.loads(done.stdout)
    moved_mb = (after["bytes"] - before["bytes"]) / 1e6
    calls = after["calls"] - before["calls"]
    return [f"{took_s * 1000:,.0f}", f"{calls:,.0f}", f"{moved_mb:,.1f}", f"{more_mb:,.1f}",
            f"{peak_mb:,.1f}"]  # fmt: skip


def main(arguments: Sequence[str]) -> None:
    if arguments[:1] == ["ask"]:
        ask(arguments[1], arguments[2], int(arguments[3]))
        return
    sizes = [int(one) for one in arguments] or [20, 1_000]
    table = Table("", "ms", "calls", "MB moved", "MB of memory more", "in all", box=None)
    with moto_cloud.running() as url, tempfile.TemporaryDirectory() as directory:
        os.environ |= {**CREDENTIALS, "AWS_ENDPOINT_URL": url}
        log = create_log(url, "log")
        os.environ |= {"SQLATCH_LOG": log, "SQLATCH_COPIES": directory}
        from handler.service import service

        for megabytes in sizes:
            path, name = Path(directory, "large.db"), f"mb-{megabytes}"
            make(path, megabytes)
            service().databases.add(name, path)
            path.unlink()
            with moto_cloud.timed(url):
                for question in QUESTIONS:
                    row = measured(url, log, name, question, megabytes * ROWS_A_MEGABYTE)
                    table.add_row(f"{question} of {megabytes:,} MB", *row)
    Console(width=120).print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
