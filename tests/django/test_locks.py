"""SQLite's file locks last, whatever else a process does with the file.

POSIX drops every lock that a process holds on a file when it closes any descriptor of it, so only
SQLite may open a database file here. A real second process commits meanwhile.
"""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from sqlatch.django import base
from sqlatch.django.files import DatabaseFile
from tests.django.conftest import Connect
from tests.django.writers import run_together

pytestmark = pytest.mark.django

MAKE = (
    "CREATE TABLE bank_account (id INTEGER PRIMARY KEY, owner TEXT, balance INTEGER)",
    """
    INSERT INTO bank_account
    WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
    SELECT i, hex(zeroblob(250)), 0 FROM n
    """,
)
"""More than a connection's page cache holds, so that the rest of a read comes from the file."""


def nothing(_path: Path) -> None:
    """The process under test makes the file."""


def no_journal(path: Path) -> None:
    with closing(sqlite3.connect(path)) as plain, plain:
        for sql in MAKE:
            plain.execute(sql)


def wal_mode(path: Path) -> None:
    no_journal(path)
    with closing(sqlite3.connect(path)) as plain:
        plain.execute("PRAGMA journal_mode = WAL")


Leave = Callable[[Path], None]
LEFT = [nothing, no_journal, wal_mode]


@pytest.fixture
def path(directory: Path) -> Path:
    return directory / "main.db"


def read_across_a_commit(
    path: Path, connect: Connect, environment: Mapping[str, str]
) -> tuple[set[int], list[str]]:
    """Return the rows of one SELECT, and what another process had acknowledged.

    In the middle of the SELECT another connection is opened here, and that process writes all rows.
    """
    was_there = path.exists()
    with connect().cursor() as cursor:
        for sql in () if was_there else MAKE:
            cursor.execute(sql)
        cursor.execute("SELECT balance FROM bank_account")
        seen = {balance for (balance,) in cursor.fetchmany(1_000)}
        connect().ensure_connection()
        acknowledged = run_together(1, path, "raise_every", 1, environment)
        seen |= {balance for (balance,) in cursor.fetchall()}
    return seen, acknowledged


@pytest.mark.parametrize("leave", LEFT)
def test_a_select_sees_one_state_while_another_process_commits(
    leave: Leave, path: Path, connect: Connect, environment: dict[str, str]
) -> None:
    leave(path)

    impatient = {**environment, "TEST_TIMEOUT_S": "0.5"}
    assert read_across_a_commit(path, connect, impatient) == ({0}, [])

    assert run_together(1, path, "raise_every", 1, environment) == ["0-0"]
    with connect().cursor() as cursor:
        cursor.execute("SELECT DISTINCT balance FROM bank_account")
        assert cursor.fetchall() == [(1,)]


@pytest.mark.parametrize("leave", LEFT)
def test_a_file_opened_beside_sqlite_tears_a_read(
    leave: Leave,
    path: Path,
    connect: Connect,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The negative control."""
    is_ready = vars(base)["is_ready"]

    def read_the_header(file: DatabaseFile) -> bool:
        if file.path.exists():
            file.path.read_bytes()
        return is_ready(file)

    leave(path)
    monkeypatch.setattr(base, "is_ready", read_the_header)

    assert read_across_a_commit(path, connect, environment) == ({0, 1}, ["0-0"])


def test_a_clone_for_parallel_tests_leaves_the_locks(
    path: Path, connect: Connect, environment: dict[str, str]
) -> None:
    wrapper = connect()
    with wrapper.cursor() as cursor:
        for sql in MAKE:
            cursor.execute(sql)
        cursor.execute("SELECT balance FROM bank_account")
        wrapper.creation._clone_test_db("1", verbosity=0)

        impatient = {**environment, "TEST_TIMEOUT_S": "0.5"}
        assert run_together(1, path, "raise_every", 1, impatient) == []

    with connect(path.with_name("main_1.db")).cursor() as clone:
        clone.execute("SELECT count(*) FROM bank_account")
        assert clone.fetchone() == (20_000,)
