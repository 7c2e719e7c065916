"""The seam between what executes statements and what stores databases.

One contract test holds every engine to it (`tests/storage/test_contract.py`). An error that SQLite
reports is one of the contract's errors by then. Deadlines are in epoch seconds.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NewType, Protocol

from sqlatch.kernel.errors import DatabaseCorrupt, StorageError
from storage.connection import Session
from storage.pins import Pins
from storage.translate import DatabaseReplaced, RecoveryNeeded
from storage.version import Version

Position = NewType("Position", int)
"""The place of a commit in the history of its database: a later commit has a greater one."""


def position_text(position: int) -> str:
    """Return a position as callers have it: a later one is also the greater text."""
    return f"{position:016x}"


def time_text(at_ms: int) -> str:
    """Return a time in epoch milliseconds as callers have it."""
    from datetime import UTC, datetime

    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment of a database: a position, or a time, in epoch milliseconds."""

    position: Position | None = None
    at_ms: int = 0

    def __str__(self) -> str:
        return time_text(self.at_ms) if self.position is None else position_text(self.position)


@dataclass(frozen=True, slots=True)
class Commit:
    """A state that can be read: its position, when it was made, the bytes of its record.

    None: the state is kept, but not the commits that led to it.
    """

    position: Position
    at_ms: int
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class Freshness:
    """The states that a read may see: none before `at_least`, none older than `max_age_s`.

    Older is one that another commit had replaced by then. 0: the newest state. None: what the
    engine has for those who do not say, which is the newest state where it can be asked for. With
    `at`, the state is that of a moment of the past, and of nothing else.
    """

    at_least: Position | None = None
    max_age_s: float | None = None
    at: Moment | None = None


NEWEST = Freshness()

FAILURES = (StorageError, DatabaseCorrupt, RecoveryNeeded, DatabaseReplaced)
"""Errors after which a store is closed: the next request opens the database again."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table that is created in each database. `sql` may be run where the table exists."""

    name: str
    sql: str


def _nothing() -> None:
    """There is nothing to note where no lease is held."""


@dataclass(frozen=True, slots=True)
class Grant:
    """The right to write to one database, until `deadline_s` (epoch seconds).

    `check` is called as the last step before each commit, and raises if the right has ended.
    `fence` is greater than that of every earlier grant of the database. Between `doubt` and
    `settle` a commit may have been made or not: one that ends there is not given back, so that
    whoever takes it over knows, and recovers the database first.

    `optimistic`: others have the same right, and of two commits on one state the second is refused:
    Overtaken. Its fence is 0.
    """

    deadline_s: float
    fence: int
    check: Callable[[], None]
    doubt: Callable[[], None] = _nothing
    settle: Callable[[], None] = _nothing
    optimistic: bool = False


Granted = Callable[[float], AbstractContextManager[Grant]]
"""Gives the right to write to a database, until a deadline at most."""


class KeepsChanging(Exception):
    """Commits made a copy begin again too often: hold a grant while it is made."""


class WriteTransaction(Protocol):
    """A transaction that no other writer can overlap. What is not committed is rolled back."""

    @property
    def connection(self) -> Session:
        """The connection that writes."""

    def commit(self) -> Position:
        """Commit, if the grant's `check` returns.

        StorageError with the outcome "unknown" if the commit itself failed.
        """


@dataclass(frozen=True, slots=True)
class Begun:
    """The transaction that is open on the connection that writes."""

    connection: Session
    commit: Callable[[], Position]


class Store(Protocol):
    """One database, which need not exist.

    Any method may raise DatabaseReplaced, when the database was replaced or removed since it was
    opened, or does not exist: ask `exists`, and call it again.
    """

    name: str

    max_age_s: float
    """The age of a state that a read gets which does not say; 0 but at a follower."""

    @property
    def position(self) -> Position | None:
        """The position of the state that was read or made last, None if the engine keeps none."""

    def exists(self, *, at_once: bool = False) -> bool:
        """Return whether the database exists: as of a moment ago, or `at_once`.

        Where each state is asked for, a read or a write finds out, and raises DatabaseReplaced.
        """

    def snapshot(self, deadline_s: float, freshness: Freshness = NEWEST) -> Session:
        """Return a connection that cannot write, at the newest state or one that is fresh enough.

        A transaction on it sees that one state. RecoveryNeeded: call `recover` before. Timeout if
        there is no state yet that is fresh enough.
        """

    def state(self) -> str:
        """Return a text that names the state which the transaction on the snapshot sees.

        Two instances that see the same state have the same text; every commit makes another one.
        """

    def version(self) -> Version:
        """Return the version of that state, which no other database that bears the name has."""

    def write(
        self, grant: Grant, *, creates: bool = False, foreign_keys: bool = True
    ) -> AbstractContextManager[WriteTransaction]:
        """Begin a transaction at the newest state; `creates` the database if it does not exist.

        What a writer left that was killed in its commit is undone first.
        """

    def vacuum(self, sql: str, grant: Grant) -> Position:
        """Run a VACUUM, which is a transaction of its own."""

    def recover(self, grant: Grant) -> bool:
        """Undo what a writer left that never gave its right back, and whatever it may still do.

        Then the database can be read. Return whether there was something; there need be no
        database.
        """

    def copy_out(self, copy: Path, deadline_s: float) -> None:
        """Write one state of the database to a new file; KeepsChanging."""

    def replace(self, copy: Path, grant: Grant) -> Position:
        """Replace the content of the database by that of a file, in one transaction."""

    def remove(self, grant: Grant, check: Callable[[str], None]) -> str:
        """Delete the database, and keep a copy; return the name of that.

        `check` is called with the name of its state, and raises if it is not to be deleted in that.
        What is begun and not ended is ended when it is called again. BadEvent where the engine
        cannot.
        """

    def bring_back(self, kept: str, grant: Grant) -> None:
        """Make a copy that a deletion has kept the database of this name, which must not exist."""

    def pinned(self, pins: Pins) -> "Store":
        """Return the same database on connections of its own, whose time and randomness `pins` set.

        The caller closes it.
        """

    def release_memory(self) -> None:
        """Free the pages of the database that connections keep; they stay open."""

    def close(self) -> None:
        """Close the connections. What was not committed is rolled back."""


@contextmanager
def closed_on_failure(store: Store) -> Iterator[None]:
    """Close the store if the block fails in a way that may lie at its connections."""
    try:
        yield
    except FAILURES:
        store.close()
        raise
