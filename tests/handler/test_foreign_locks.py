"""A file that another program locks: opened anew, it is waited for until the deadline."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from handler.service import service
from tests.conftest import Ask

LOCKING = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def locked(ask: Ask, directory: Path) -> Iterator[None]:
    """A process of its own: locks of SQLite do not keep one process from itself."""
    ask(query="CREATE TABLE t (n)")
    service().databases.close()
    with subprocess.Popen(
        [sys.executable, "-c", LOCKING, str(directory / "main.db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as locking:
        assert locking.stdout is not None
        assert locking.stdout.readline() == b"locked\n"
        yield


@pytest.mark.parametrize("query", ["SELECT * FROM t", "INSERT INTO t VALUES (1)"])
def test_a_file_locked_by_another_program_is_waited_for_until_the_deadline(
    query: str, locked: None, refused: Ask
) -> None:
    started_s = time.monotonic()

    assert refused(query=query, timeout_ms=1_500)["code"] == "DATABASE_BUSY"
    assert time.monotonic() - started_s >= 1.5
