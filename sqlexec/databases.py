"""The databases of an engine, those used last kept open within the memory that they share."""

from collections.abc import Callable
from pathlib import Path

from sqlexec.database import Database
from sqlexec.idempotency import TABLE
from sqlexec.interactive import not_found
from sqlexec.plan import Plans
from storage.engine import Commit, Granted, Moment, Position
from storage.engines import Engine
from storage.memory import keeps_too_much, kept_bytes_max, sqlite_bytes
from storage.nodes import Lag, Tail
from storage.work import Work

FREED_BYTES_MIN = 16 * 1024 * 1024
"""Of less a statement that ran short would make nothing: it is about what one database keeps."""


class Databases:
    """The databases of an engine. Those used last are kept open, `OPEN_MAX` of them."""

    OPEN_MAX = 64

    def __init__(self, engine: Engine, *, now: Callable[[], float], may_create: bool) -> None:
        self._engine = engine
        self._now = now
        self._may_create = may_create
        self._plans = Plans()
        self._kept_bytes_max = kept_bytes_max()
        self._open: dict[str, Database] = {}

    def get(self, name: str) -> Database:
        """The database of that name, which need not exist."""
        database = self._open.pop(name, None) or Database(
            self._engine.open(name, table=TABLE, now=self._now),
            plans=self._plans,
            now=self._now,
            may_create=self._may_create,
        )
        self._open[name] = database
        if len(self._open) > self.OPEN_MAX:
            self._open.pop(next(iter(self._open))).close()
        if sqlite_bytes() > self._kept_bytes_max:
            self.make_room()
        return database

    @property
    def needs_lease(self) -> bool:
        """Return whether only one may write to a database at a time."""
        return self._engine.needs_lease

    @property
    def follows(self) -> bool:
        """Return whether they are another node's."""
        return self._engine.follows

    def age_s(self, name: str) -> float | None:
        """Return the time since the copy of a database was the newest state; None if it is none."""
        return self._engine.age_s(name)

    def lags(self) -> list[Lag]:
        """Return how far each database with a copy on this machine is behind the leader."""
        return self._engine.lags()

    def saw(self, name: str, position: Position) -> None:
        """A caller of this machine was told of a position by the leader: no read is older."""
        self._engine.saw(name, position)

    def feed(self) -> None:
        """Read on in the background from now on, where that is of use: the process goes on."""
        self._engine.feed()

    def tail(self, name: str) -> Tail:
        """Return the end of a database's log, for nodes that follow it; BadEvent without logs."""
        return self._engine.tail(name)

    def names(self) -> list[str]:
        """Return the names of the databases that exist, sorted."""
        return self._engine.names()

    def sizes_bytes(self) -> dict[str, int]:
        """Return the size of each database that exists, sorted by name."""
        return self._engine.sizes_bytes()

    def add(self, name: str, copy: Path) -> None:
        """Add a database from a file; BadEvent if there is one of that name."""
        self._engine.add(name, copy)

    def history(
        self, name: str, *, before: Position | None, most: int, deadline_s: float
    ) -> list[Commit]:
        """Return the newest states of a database that can be read, newest first."""
        self._check_there(name)
        return self._engine.history(name, before=before, most=most, deadline_s=deadline_s)

    def branch(self, name: str, to: str, moment: Moment | None, deadline_s: float) -> Position:
        """Make another database of the state at a moment; return the position of that state."""
        self._check_there(name)
        return self._engine.branch(name, to, moment, deadline_s)

    def export(self, name: str, directory: Path, deadline_s: float) -> Position:
        """Write the history of a database as a Litestream replica, into a directory that is new."""
        self._check_there(name)
        return self._engine.export(name, directory, deadline_s)

    def replay(self, name: str, directory: Path, granted: Granted) -> Position:
        """Make a database of a Litestream replica, each of its states a commit."""
        return self._engine.replay(name, directory, granted)

    def _check_there(self, name: str) -> None:
        if not self.get(name).exists():
            raise not_found(name)

    def forget_deleted(self, before_s: float) -> int:
        """Remove the copies of databases that were deleted before then. Returns how many."""
        return self._engine.forget_deleted(before_s)

    def tend(self, name: str, deadline_s: float) -> None:
        """Keep a database small and quick to open, as its engine does."""
        self._engine.tend(name, deadline_s)

    def work(self) -> Work:
        """Return what the engine has done since this was last asked."""
        return self._engine.work.taken()

    def make_room(self) -> None:
        """Have the databases used longest ago give back what they keep, until all keep less.

        First the pages of files; what is left are schemas and prepared statements, which a
        connection gives back when it is closed. The database used last stays open.
        """
        for database in self._open.values():
            if keeps_too_much():
                database.release_memory()
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
