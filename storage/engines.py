"""The seam to the ways in which databases are kept: see `engine` for one database."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from storage.engine import Commit, Granted, Moment, Position, Store, Table
from storage.nodes import Lag, Tail
from storage.work import Work


class Engine(Protocol):
    """A way to keep databases, which have names."""

    work: Work
    """Zeros, where no logs are kept."""

    needs_lease: bool
    """Only one may write to a database at a time. If not, every grant is optimistic."""

    follows: bool
    """The databases are another node's, which everything is asked that is not a read: ForLeader."""

    def open(self, name: str, *, table: Table, now: Callable[[], float]) -> Store:
        """Return one database. It gets the table with its first write."""

    def names(self) -> list[str]:
        """Return the names of the databases, sorted."""

    def sizes_bytes(self) -> dict[str, int]:
        """Return the bytes that each database takes, sorted by name."""

    def add(self, name: str, copy: Path) -> None:
        """Add a database from a file, whole or not at all; BadEvent if the name is taken."""

    def history(
        self, name: str, *, before: Position | None, most: int, deadline_s: float
    ) -> list[Commit]:
        """Return the newest states of a database that can be read, newest first; BadEvent."""

    def branch(self, name: str, to: str, moment: Moment | None, deadline_s: float) -> Position:
        """Make another database of the state at a moment, None being now, whole or not at all.

        Return the position of that state. BadEvent if the name is taken, or the state is not kept.
        """

    def age_s(self, name: str) -> float | None:
        """Return the time since the copy of a database was the newest state, as far as is known.

        None where the databases are not another node's.
        """

    def lags(self) -> list[Lag]:
        """Return how far each database with a copy on this machine is behind that node."""

    def saw(self, name: str, position: Position) -> None:
        """A caller of this machine was told of a position by the leader: no read is older."""

    def feed(self) -> None:
        """Read on in the background from now on, where that is of use: the process goes on."""

    def tail(self, name: str) -> Tail:
        """Return the end of a database's log, for nodes that follow it; BadEvent without logs."""

    def export(self, name: str, directory: Path, deadline_s: float) -> Position:
        """Write the history of a database as a Litestream replica, into a directory that is new.

        Return the position of its last state. `deadline_s` is that of each question to the log.
        """

    def replay(self, name: str, directory: Path, granted: Granted) -> Position:
        """Make a database of a Litestream replica, each state of it a commit at its time.

        BadEvent if the name is taken. Return the position of the last one.
        """

    def forget_deleted(self, before_s: float) -> int:
        """Remove the copies of databases that were deleted before then. Returns how many."""

    def tend(self, name: str, deadline_s: float) -> None:
        """Keep the database small, and quick to open for a new instance. Others may do it too."""


class AtHome:
    """The part of an engine whose databases are no other node's."""

    follows = False

    def age_s(self, _name: str) -> None:
        return None

    def lags(self) -> list[Lag]:
        return []

    def saw(self, _name: str, _position: Position) -> None:
        """Nothing: each read asks for the newest state."""

    def feed(self) -> None:
        """Nothing: each read asks for the newest state."""
