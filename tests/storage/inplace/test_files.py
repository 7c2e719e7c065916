"""The directory of the databases: what is looked at there changes nothing for SQLite."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from sqlatch.kernel import nfs
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


def test_only_a_regular_file_is_a_database(files: Files, tmp_path: Path) -> None:
    directory = files.directory
    (directory / "file.db").touch()
    (directory / "link.db").symlink_to(directory / "file.db")
    (directory / "directory.db").mkdir()
    os.mkfifo(directory / "pipe.db")

    found = {name: files.exists(name) for name in ("file", "link", "directory", "pipe", "none")}

    assert found == {"file": True, "link": False, "directory": False, "pipe": False, "none": False}


def test_a_file_is_known_by_its_device_and_inode(files: Files) -> None:
    path = files.path("new")
    path.touch()
    first = files.identity("new")
    other = path.with_name("other")
    other.touch()

    other.replace(path)

    assert files.identity("new") not in (None, first)


@pytest.mark.parametrize(
    ("content", "is_hot"), [(b"", False), (b"\0rest", False), (b"\xd9\xd5", True), (b"x", True)]
)
def test_a_journal_is_hot_by_its_first_byte(files: Files, content: bytes, *, is_hot: bool) -> None:
    assert not files.open_journal("main")
    files.journal("main").write_bytes(content)

    assert files.open_journal("main") is is_hot
    assert nfs.has_journal(str(files.journal("main")))
