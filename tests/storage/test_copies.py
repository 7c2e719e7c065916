"""A copy on the local disk is checked before it is used."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sqlatch.kernel.errors import DatabaseCorrupt
from storage import copies
from storage.copies import FINDINGS_MAX, Checked


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "copy.db"


def make(copy: Path, *texts: str) -> None:
    with closing(sqlite3.connect(copy)) as connection, connection:
        for sql in texts:
            connection.execute(sql)


def test_a_sound_copy_has_its_size_and_no_broken_reference(copy: Path) -> None:
    make(copy, "CREATE TABLE t (n)")

    assert copies.check(copy) == Checked(copy.stat().st_size, 0)


def test_rows_that_refer_to_nothing_are_counted_up_to_a_limit(copy: Path) -> None:
    make(
        copy,
        "CREATE TABLE p (id INTEGER PRIMARY KEY)",
        "CREATE TABLE c (p REFERENCES p)",
        "INSERT INTO c VALUES (1), (2)",
    )
    assert copies.check(copy).foreign_keys == 2

    make(copy, *["INSERT INTO c SELECT p + 2 FROM c"] * 5)
    assert copies.check(copy).foreign_keys == FINDINGS_MAX


def test_a_reference_that_sqlite_cannot_check_is_told_and_not_refused(copy: Path) -> None:
    make(copy, "CREATE TABLE p (id)", "CREATE TABLE c (p REFERENCES p (id))")
    make(copy, "INSERT INTO c VALUES (1)")

    assert "foreign key mismatch" in str(copies.check(copy).foreign_keys)


@pytest.mark.parametrize("content", [b"no database" * 1000, b"SQLite format 3\0" + b"\xff" * 9000])
def test_what_is_no_database_is_corrupt(copy: Path, content: bytes) -> None:
    copy.write_bytes(content)

    with pytest.raises(DatabaseCorrupt):
        copies.check(copy)


def test_an_index_that_lacks_a_row_is_corrupt(copy: Path) -> None:
    make(copy, "CREATE TABLE t (n)", "CREATE INDEX i ON t (n)", "INSERT INTO t VALUES (1)")
    make(
        copy,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET rootpage = (SELECT max(rootpage) FROM sqlite_schema)"
        " WHERE name = 't'",
    )

    with pytest.raises(DatabaseCorrupt):
        copies.check(copy)


def test_the_mark_of_wal_is_taken_out(copy: Path) -> None:
    make(copy, "PRAGMA journal_mode = WAL", "CREATE TABLE t (n)")
    assert copy.read_bytes()[18:20] == b"\2\2"

    copies.leave_wal(copy)

    assert copy.read_bytes()[18:20] == b"\1\1"
    assert copies.check(copy).foreign_keys == 0
