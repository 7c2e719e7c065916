"""The databases of a directory, those used last kept open within the memory that they share."""

from collections.abc import Callable
from pathlib import Path

from sqlexec.database import Database
from sqlexec.idempotency import TABLE
from sqlexec.plan import Plans
from storage.inplace.files import Files
from storage.inplace.store import Store
from storage.memory import keeps_too_much, sqlite_bytes

FREED_BYTES_MIN = 16 * 1024 * 1024
"""Of less a statement that ran short would make nothing: it is about what one database keeps."""


class Databases:
    """The databases of a directory. Those used last are kept open, `OPEN_MAX` of them."""

    OPEN_MAX = 64

    def __init__(self, directory: Path, *, now: Callable[[], float], may_create: bool) -> None:
        self.files = Files(directory)
        self._now = now
        self._may_create = may_create
        self._plans = Plans()
        self._open: dict[str, Database] = {}

    def get(self, name: str) -> Database:
        """The database of that name, which need not exist."""
        database = self._open.pop(name, None) or Database(
            Store(name, self.files, table=TABLE, now=self._now),
            plans=self._plans,
            now=self._now,
            may_create=self._may_create,
        )
        self._open[name] = database
        if len(self._open) > self.OPEN_MAX:
            self._open.pop(next(iter(self._open))).close()
        if keeps_too_much():
            self.make_room()
        return database

    def make_room(self) -> None:
        """Have the databases used longest ago give back what they keep, until all keep less.

        First the pages of files; what is left are schemas and prepared statements, which a
        connection gives back when it is closed. The database used last stays open.
        """
        for database in self._open.values():
            if keeps_too_much():
                database.give_back()
        for name in list(self._open)[:-1]:
            if keeps_too_much():
                self._open.pop(name).close()

    def free_memory(self) -> bool:
        """Close all that is kept open; whether that was enough to try again what ran short."""
        before_bytes = sqlite_bytes()
        self.close()
        return before_bytes - sqlite_bytes() >= FREED_BYTES_MIN

    def close(self) -> None:
        while self._open:
            self._open.popitem()[1].close()
