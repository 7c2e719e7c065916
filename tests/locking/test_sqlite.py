"""The table in a file, beside its contract, which is in test_tables.py."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from locking import sqlite
from locking.lease import Claim, TableUnavailable
from locking.sqlite import SQLiteTable
from sqlatch.errors import StorageError

CLAIM = Claim("main", "id-1", "one", now_s=100.0, expires_at_s=112.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "leases.sqlite"


@pytest.fixture
def table(path: Path) -> Iterator[SQLiteTable]:
    table = SQLiteTable(path)
    yield table
    table.close()


def test_a_table_that_another_process_locks_is_unavailable_and_answers_later(
    path: Path, table: SQLiteTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_S", 0.01)
    table.give_back("main", "nobody")
    table.close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(TableUnavailable):
        table.take(CLAIM)
    other.execute("ROLLBACK")
    other.close()

    assert not isinstance(table.take(CLAIM), TableUnavailable)
    assert [held.lock_id for held in table.held()] == ["id-1"]


def test_a_file_that_is_no_table_of_leases_is_a_storage_error_that_names_it(
    path: Path, table: SQLiteTable
) -> None:
    path.write_bytes(b"no database" * 1000)

    with pytest.raises(StorageError, match=r"leases\.sqlite") as refused:
        table.take(CLAIM)

    assert refused.value.facts == {"table": str(path)}


def test_leases_outlive_the_connection(path: Path, table: SQLiteTable) -> None:
    table.take(CLAIM)
    table.close()

    other = SQLiteTable(path)
    try:
        assert [held.holder for held in other.held()] == ["one"]
    finally:
        other.close()


def test_the_processes_that_wait_read_while_one_writes(path: Path, table: SQLiteTable) -> None:
    table.take(CLAIM)

    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
