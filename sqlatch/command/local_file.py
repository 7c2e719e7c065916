"""A database in a file of this machine, read as one of a service is; and one made of a dump."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TextIO

from sqlatch.client import Client
from sqlatch.command.exits import Exit, Failure
from sqlatch.kernel.values import Parameters
from sqlatch.result import Result

VERSION_MIN = (3, 37, 0)
"""The first SQLite whose schema says of each table what it is (PRAGMA table_list)."""

STATEMENT_CHARACTERS_MAX = 100_000_000
"""Of a dump: past it no end of a statement was found."""

_FAST = ("PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF", "PRAGMA foreign_keys = OFF")


class FileClient(Client):
    """A client whose database is a file, which is read in one transaction and not written to."""

    def __init__(self, file: Path) -> None:
        # No transport: what only a service answers is not asked here.
        self.database = file.stem
        self._file = file
        self._connection = sqlite3.connect(
            f"{file.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None
        )
        with failures_of(file):
            self._connection.execute("BEGIN")
            self._connection.execute("SELECT 1 FROM sqlite_schema").fetchall()

    def query(
        self, query: str, parameters: Parameters | None = None, **_freshness: object
    ) -> Result:
        with failures_of(self._file):
            cursor = self._connection.execute(query, parameters or ())
            columns = tuple(column[0] for column in cursor.description or ())
            return Result(columns, cursor.fetchall(), 0, None)

    def close(self) -> None:
        self._connection.close()


def make_of_dump(dump: Path, file: Path) -> None:
    """Run the SQL of a dump on a new file; Failure names the line of a statement that fails."""
    with (
        dump.open(encoding="utf-8", newline="") as text,
        closing(sqlite3.connect(file, isolation_level=None)) as connection,
    ):
        for setting in _FAST:
            connection.execute(setting)
        connection.set_authorizer(_authorize)
        for line, sql in _statements(text, dump):
            try:
                connection.execute(sql)
            except (sqlite3.Error, sqlite3.Warning) as error:
                raise Failure(f"{dump}, line {line}: {error}", Exit.BAD_DATA) from error
        if connection.in_transaction:
            raise Failure(f"{dump} ends within a transaction: it was cut off", Exit.BAD_DATA)


def _statements(text: TextIO, dump: Path) -> Iterator[tuple[int, str]]:
    """Yield each statement with the line that it begins on."""
    begun: list[str] = []
    begins, characters = 1, 0
    try:
        for number, line in enumerate(text, 1):
            if not begun and not line.strip():
                continue
            if not begun:
                begins, characters = number, 0
            if not begun and line.startswith("."):
                raise Failure(
                    f"{dump}, line {number}: {line.strip()!r} is a command of the program sqlite3,"
                    " and no SQL: take it out",
                    Exit.BAD_DATA,
                )
            begun.append(line)
            characters += len(line)
            if characters > STATEMENT_CHARACTERS_MAX:
                raise Failure(
                    f"{dump}, line {begins}: no end of the statement in"
                    f" {STATEMENT_CHARACTERS_MAX:,} characters",
                    Exit.BAD_DATA,
                )
            if line.rstrip().endswith(";") and sqlite3.complete_statement(sql := "".join(begun)):
                yield begins, sql
                begun.clear()
    except UnicodeDecodeError as error:
        raise Failure(f"{dump} is not UTF-8: {error}", Exit.BAD_DATA) from error
    if "".join(begun).strip():
        yield begins, "".join(begun)


def _authorize(action: int, *_names: object) -> int:
    """A dump makes one database: it does not attach another file, nor load code."""
    return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_ATTACH else sqlite3.SQLITE_OK


def check_version() -> None:
    """Failure where the SQLite of this Python is too old."""
    if sqlite3.sqlite_version_info < VERSION_MIN:
        raise Failure(
            f"the SQLite of this Python is {sqlite3.sqlite_version}, and it takes"
            f" {'.'.join(map(str, VERSION_MIN))}: run it with a newer Python",
            Exit.REFUSED,
        )


@contextmanager
def failures_of(file: Path) -> Iterator[None]:
    """Say in the block why a file cannot be read."""
    try:
        yield
    except (sqlite3.Error, OverflowError) as error:
        raise Failure(f"{file}: {error}", Exit.BAD_DATA) from error
