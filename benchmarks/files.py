"""Databases with the table: made at once, copied, counted."""

import shutil
from pathlib import Path
from typing import cast

import apsw

from benchmarks.data import FILE, NOTE_CHARACTERS, ROWS, SCHEMA

FILL = """
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1)
INSERT INTO things
SELECT n, format('thing-%06d', n), n * 7 % 1000, n * 0.25,
    CASE WHEN ?3 THEN hex(randomblob(?3)) ELSE format('%.*c', ?2, 'x') END
FROM numbers
"""
WRITTEN = "SELECT count(*) FROM things WHERE id > ?"


def make(
    path: Path, *, rows: int = ROWS, note_characters: int = NOTE_CHARACTERS, random_bytes: int = 0
) -> None:
    """A database with the table, made in one go and on disk before it is measured.

    With `random_bytes` the notes are so many in hexadecimal, which do not compress by much.
    """
    connection = apsw.Connection(str(path))
    connection.pragma("journal_mode", "OFF")
    connection.pragma("synchronous", "OFF")
    connection.execute(SCHEMA)
    connection.execute(FILL, (rows, note_characters, random_bytes))
    connection.pragma("synchronous", "FULL")
    connection.pragma("user_version", 1)
    connection.pragma("journal_mode", "DELETE")
    connection.close()


def copy(template: Path, directory: Path) -> Path:
    """The directory, made, with a copy of a database and of its journal if it has one."""
    directory.mkdir(parents=True)
    shutil.copy(template, directory / FILE)
    journal = Path(f"{template}-journal")
    if journal.exists():
        shutil.copy(journal, directory / f"{FILE}-journal")
    return directory


def written(directory: Path) -> int:
    """Return how many rows were added to a copy."""
    connection = apsw.Connection(str(directory / FILE))
    connection.set_busy_timeout(10_000)
    try:
        return cast("int", connection.execute(WRITTEN, (ROWS,)).fetchall()[0][0])
    finally:
        connection.close()
