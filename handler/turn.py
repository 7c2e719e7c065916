"""The order of databases at the reaper, whose time may run out before the last of many.

A small file beside the databases names the one served last, since the next run may be in a new
process. The names behind it come first, so databases that come and go do not shift the order.
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
        """Return the sorted names, beginning behind the one served last."""
        start = bisect_right(names, self._served_last())
        return [*names[start:], *names[:start]]

    def served(self, name: str) -> None:
        """Remember the database served last; StorageError if the file cannot be written."""
        new = self._path.with_suffix(".new")
        try:
            new.write_text(name)
            new.replace(self._path)
        except OSError as error:
            raise StorageError(
                f"the file of the reaper's turn: {error.strerror}", errno=error.errno
            ) from error

    def _served_last(self) -> str:
        """Return the database served last; empty if that is not known, and the turn starts over."""
        try:
            with self._path.open("rb") as file:
                return file.read(NAME_BYTES_MAX).decode(errors="replace")
        except OSError:
            return ""
