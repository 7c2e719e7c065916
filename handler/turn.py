"""The order of databases at the reaper, whose time may run out before the last of many.

The one served last is kept where the databases are, since the next run may be in a new process. The
names behind it come first, so databases that come and go do not shift the order.
"""

from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sqlatch.kernel.errors import StorageError

if TYPE_CHECKING:
    from hrana.table import Table

FILE = ".reaper"
NAME_BYTES_MAX = 64

KEY = {"pk": {"S": "#reaper"}, "sk": {"N": "0"}}
"""No database can have that name."""


class Note(Protocol):
    """A place for a name."""

    def read(self) -> str:
        """Return the name; empty if none is there. StorageError."""

    def write(self, name: str) -> None:
        """Keep the name in place of the one before; StorageError."""


class Turn:
    """The turn of the databases of one service."""

    def __init__(self, note: Note) -> None:
        self._note = note

    def order(self, names: Sequence[str]) -> list[str]:
        """Return the sorted names, beginning behind the one served last.

        If that is not known, the turn starts over.
        """
        try:
            start = bisect_right(names, self._note.read())
        except StorageError:
            start = 0
        return [*names[start:], *names[:start]]

    def served(self, name: str) -> None:
        """Remember the database served last; StorageError if it cannot be written."""
        self._note.write(name)


class NoteInFile:
    """A small file in the directory of the databases."""

    def __init__(self, databases: Path) -> None:
        self._path = databases / FILE

    def read(self) -> str:
        try:
            with self._path.open("rb") as file:
                return file.read(NAME_BYTES_MAX).decode(errors="replace")
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise _storage_error(error) from error

    def write(self, name: str) -> None:
        new = self._path.with_suffix(".new")
        try:
            new.write_text(name)
            new.replace(self._path)
        except OSError as error:
            raise _storage_error(error) from error


class NoteInTable:
    """An item of the table with the databases' logs."""

    def __init__(self, table: "Table") -> None:
        self._table = table

    def read(self) -> str:
        item = self._table.get(KEY)
        return item["name"]["S"] if item else ""

    def write(self, name: str) -> None:
        self._table.put({**KEY, "name": {"S": name}})


def _storage_error(error: OSError) -> StorageError:
    return StorageError(f"the file of the reaper's turn: {error.strerror}", errno=error.errno)
