"""The memory that statements may take: SQLite's own limits, and the process's."""

import json
import resource
import subprocess
import sys
from collections.abc import Iterator

import apsw
import pytest

from storage import memory
from storage.connection import Session

LIMITED = """
import json, resource
import apsw
from storage.memory import limit_memory
limit_memory(int(__import__("sys").argv[1]) or None)
print(json.dumps([
    apsw.hard_heap_limit(-1), apsw.soft_heap_limit(-1), resource.getrlimit(resource.RLIMIT_DATA)[0],
]))
"""


def limits(total_bytes: int) -> list[int]:
    """The limits of a process of its own: hard and soft ones of SQLite, and of its data."""
    command = [sys.executable, "-c", LIMITED, str(total_bytes)]
    done = subprocess.run(command, check=True, capture_output=True)
    found: list[int] = json.loads(done.stdout)
    return found


@pytest.fixture
def heap_limit() -> Iterator[None]:
    """Give back what SQLite may take after the test."""
    before_bytes = apsw.hard_heap_limit(-1)
    yield
    apsw.hard_heap_limit(before_bytes)


def test_a_function_has_limits_by_its_memory_and_the_process_is_one_of_them() -> None:
    assert limits(1_000_000_000) == [400_000_000, 200_000_000, 850_000_000]


def test_a_process_of_unknown_memory_limits_only_sqlite() -> None:
    hard, soft, data = limits(0)

    assert (hard, soft) == (int(memory.DEFAULT_BYTES * 0.4), int(memory.DEFAULT_BYTES * 0.2))
    assert data == resource.getrlimit(resource.RLIMIT_DATA)[0], "as it was"


@pytest.mark.usefixtures("heap_limit")
def test_where_nothing_is_limited_nothing_is_too_much(session: Session) -> None:
    apsw.hard_heap_limit(0)
    session.run("CREATE TABLE t AS SELECT zeroblob(100000)")

    assert memory.sqlite_bytes() > 100_000
    assert not memory.keeps_too_much()


@pytest.mark.usefixtures("heap_limit")
def test_what_is_kept_is_too_much_past_its_share_of_the_limit(session: Session) -> None:
    session.run("CREATE TABLE t AS SELECT zeroblob(1000000)")
    kept_bytes = memory.sqlite_bytes()

    apsw.hard_heap_limit(int(kept_bytes / memory.KEPT_SHARE) + 100_000)
    assert not memory.keeps_too_much()
    apsw.hard_heap_limit(int(kept_bytes / memory.KEPT_SHARE) - 100_000)
    assert memory.keeps_too_much()
