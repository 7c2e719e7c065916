"""A database as a file on the local disk: what a copy is checked for before it is used."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import apsw

from sqlatch.kernel.errors import BadEvent, DatabaseCorrupt
from storage.translate import FOREIGN_ERRORS, in_our_words

FINDINGS_MAX = 10


@dataclass(frozen=True, slots=True)
class Checked:
    """The findings in a copy whose integrity check is ok.

    `foreign_keys` is how many rows refer to nothing, up to FINDINGS_MAX, or why SQLite cannot tell.
    """

    size_bytes: int
    foreign_keys: int | str


def is_taken(database: str) -> BadEvent:
    return BadEvent(
        f"the database {database!r} exists: 'over' replaces what is in it", field="database"
    )


def check(copy: Path) -> Checked:
    """Check a copy; DatabaseCorrupt if it is not what SQLite calls ok."""
    with translated(copy.stem), closing(opened(copy)) as connection:
        verdict = connection.execute(f"PRAGMA integrity_check({FINDINGS_MAX})").fetchall()
        if verdict != [("ok",)]:
            found = "; ".join(str(line) for (line,) in verdict)
            raise DatabaseCorrupt(f"integrity_check of the copy: {found}")
        try:
            broken = list(islice(connection.execute("PRAGMA foreign_key_check"), FINDINGS_MAX))
        except apsw.SQLError as error:
            # A parent key that is not unique: SQLite says so when such a row is written.
            return Checked(copy.stat().st_size, str(error))
        return Checked(copy.stat().st_size, len(broken))


def leave_wal(copy: Path) -> None:
    """Take the mark of WAL out of a copy: WAL does not work over NFS."""
    with translated(copy.stem), closing(apsw.Connection(str(copy))) as connection:
        connection.execute("PRAGMA journal_mode = DELETE").fetchall()


def opened(copy: Path) -> apsw.Connection:
    """Return a connection that cannot write to a copy."""
    return apsw.Connection(str(copy), flags=apsw.SQLITE_OPEN_READONLY)


def copy_pages(source: apsw.Connection, target: apsw.Connection) -> None:
    """Copy all pages in one transaction of the target."""
    with target.backup("main", source, "main") as backup:
        backup.step(-1)


def copy_whole(copy: Path, target: Path) -> None:
    """Write a copy to a new file of its own, without the mark of WAL and what lies beside it."""
    target.unlink(missing_ok=True)
    with (
        translated(copy.stem),
        closing(opened(copy)) as source,
        closing(apsw.Connection(str(target))) as connection,
    ):
        copy_pages(source, connection)
    leave_wal(target)


@contextmanager
def translated(database: str) -> Iterator[None]:
    """Raise the errors of SQLite as the contract's."""
    try:
        yield
    except FOREIGN_ERRORS as error:
        raise in_our_words(error, database) from error


def exists_already(name: str) -> BadEvent:
    return BadEvent(f"the database {name!r} exists: delete or rename it", field="database")


def no_history(name: str) -> BadEvent:
    return BadEvent(
        f"database {name!r} is a file, and files have no history: keep it as a log (SQLATCH_LOG),"
        " or make a copy of it with `sqlatch copy`",
        field="database",
    )
