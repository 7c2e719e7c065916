"""The engine that keeps each database as one SQLite file in a directory, changed in place."""

from collections.abc import Callable
from pathlib import Path

from sqlatch.kernel.errors import BadEvent
from storage.copies import no_history
from storage.engine import Commit, Granted, Moment, Position, Table
from storage.engines import AtHome
from storage.inplace import copies, removal
from storage.inplace.files import Files
from storage.inplace.store import Store
from storage.nodes import Tail
from storage.work import Work


class InPlace(AtHome):
    """The databases of a directory, `<name>.db` each."""

    needs_lease = True

    def __init__(self, directory: Path) -> None:
        self._files = Files(directory)
        self.work = Work()

    def open(self, name: str, *, table: Table, now: Callable[[], float]) -> Store:
        return Store(name, self._files, table=table, now=now)

    def names(self) -> list[str]:
        return self._files.names()

    def sizes_bytes(self) -> dict[str, int]:
        return self._files.sizes_bytes()

    def add(self, name: str, copy: Path) -> None:
        copies.bring_in(copy, self._files.path(name))

    def history(
        self, name: str, *, before: Position | None, most: int, deadline_s: float
    ) -> list[Commit]:
        raise no_history(name)

    def branch(self, name: str, to: str, moment: Moment | None, deadline_s: float) -> Position:
        raise no_history(name)

    def export(self, name: str, directory: Path, deadline_s: float) -> Position:
        raise no_history(name)

    def replay(self, name: str, directory: Path, granted: Granted) -> Position:
        raise no_history(name)

    def tail(self, name: str) -> Tail:
        raise BadEvent(
            "databases are files here, which nobody can follow: keep them as logs (SQLATCH_LOG)"
        )

    def tend(self, name: str, deadline_s: float) -> None:
        """Nothing: a file grows by what is in it, and is as quick to open as it was."""

    def forget_deleted(self, before_s: float) -> int:
        return removal.forget(self._files, before_s)
