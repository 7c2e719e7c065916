"""The directory of the databases: what is looked at there changes nothing for SQLite."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from sqlatch.kernel.errors import StorageError
from storage.inplace.files import Files

BEGIN = """
import sqlite3, sys
try:
    sqlite3.connect(sys.argv[1], timeout=0).execute("BEGIN IMMEDIATE")
except sqlite3.OperationalError as error:
    sys.stdout.write(str(error))
"""


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def make(files: Files, *, journal_mode: str) -> apsw.Connection:
    connection = apsw.Connection(str(files.path("main")))
    connection.execute(f"PRAGMA journal_mode = {journal_mode}")
    connection.execute("CREATE TABLE IF NOT EXISTS t (a)")
    return connection


def said_by_another_writer(path: Path) -> str:
    answer = subprocess.run(
        [sys.executable, "-c", BEGIN, str(path)], capture_output=True, text=True, check=True
    )
    return answer.stdout


def test_the_header_says_whether_it_is_in_wal_mode(files: Files) -> None:
    for journal_mode, is_wal in (("PERSIST", False), ("WAL", True)):
        with closing(make(files, journal_mode=journal_mode)):
            assert files.is_wal("main") is is_wal


def test_no_lock_of_this_process_is_dropped_by_the_look_at_the_header(files: Files) -> None:
    with closing(make(files, journal_mode="PERSIST")) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert files.is_wal("main") is False
        assert said_by_another_writer(files.path("main")) == "database is locked"

        # The negative control.
        files.path("main").read_bytes()
        assert said_by_another_writer(files.path("main")) == ""
        writer.execute("ROLLBACK")


def test_what_is_not_there_is_not_in_wal_mode(files: Files) -> None:
    assert files.is_wal("main") is False


def test_what_cannot_be_read_is_a_storage_error(files: Files) -> None:
    files.path("main").mkdir()

    with pytest.raises(StorageError):
        files.is_wal("main")
