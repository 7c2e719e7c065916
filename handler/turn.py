"""Whose turn it is at the reaper: time may run out before the last of many databases.

A small file beside the databases says who was served last, since the next run may be in a new
process. The names behind that one come first, so databases that come and go shift nobody's turn.
"""

from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

from sqlatch.kernel.errors import StorageError

FILE = ".reaper"
NAME_BYTES_MAX = 64


class Turn:
    """The turn in a directory of databases."""

    def __init__(self, databases: Path) -> None:
        self._path = databases / FILE

    def order(self, names: Sequence[str]) -> list[str]:
        """The names, which are sorted, from the one whose turn it is."""
        start = bisect_right(names, self._served_last())
        return [*names[start:], *names[:start]]

    def served(self, name: str) -> None:
        """Remember who was served last; StorageError if the file cannot be written."""
        new = self._path.with_suffix(".new")
        try:
            new.write_text(name)
            new.replace(self._path)
        except OSError as error:
            raise StorageError(
                f"the file of the reaper's turn: {error.strerror}", errno=error.errno
            ) from error

    def _served_last(self) -> str:
        """Empty if nobody was, or the file cannot be read: then the turn begins anew."""
        try:
            with self._path.open("rb") as file:
                return file.read(NAME_BYTES_MAX).decode(errors="replace")
        except OSError:
            return ""
