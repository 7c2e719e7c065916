"""An engine that keeps databases in memory, to show what an engine is and to test what uses one.

A database is an image, its bytes. Every instance works on a private copy; a commit replaces the
image, so nothing that others can see is ever changed in place.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import apsw

from sqlatch.kernel.errors import BadEvent, Timeout
from storage.connection import Session
from storage.copies import no_history
from storage.engine import (
    NEWEST,
    Commit,
    Freshness,
    Grant,
    Granted,
    Moment,
    Position,
    Table,
    WriteTransaction,
    closed_on_failure,
)
from storage.engines import AtHome
from storage.nodes import Tail
from storage.pins import Pins
from storage.translate import DatabaseReplaced, RecoveryNeeded
from storage.version import Version
from storage.work import Work

FLAGS = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_MEMORY


@dataclass(frozen=True)
class Image:
    """The state of a database; `is_torn` after a writer was killed in its commit."""

    content: bytes
    position: Position
    is_torn: bool = False


KEPT = "."

Shared = dict[str, Image]
"""What all instances see."""


class InMemory(AtHome):
    """One instance's view of databases that it shares with others."""

    needs_lease = True

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self.work = Work()

    def open(self, name: str, *, table: Table, now: Callable[[], float]) -> "MemoryStore":
        return MemoryStore(name, self._shared, table, now)

    def names(self) -> list[str]:
        return sorted(name for name in self._shared if not name.startswith(KEPT))

    def sizes_bytes(self) -> dict[str, int]:
        return {name: len(self._shared[name].content) for name in self.names()}

    def add(self, name: str, copy: Path) -> None:
        if name in self._shared:
            raise BadEvent(f"the database {name!r} exists", field="database")
        self._shared[name] = Image(copy.read_bytes(), Position(0))

    def forget_deleted(self, before_s: float) -> int:
        kept = [name for name in self._shared if name.startswith(KEPT)]
        return len([self._shared.pop(name) for name in kept if before_s > time.time()])

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
        raise NotImplementedError

    def tend(self, name: str, deadline_s: float) -> None:
        pass


class MemoryStore:
    """A connection that reads and one that writes, each on a copy of some image."""

    max_age_s = 0.0

    def __init__(
        self,
        name: str,
        shared: Shared,
        table: Table,
        now: Callable[[], float],
        pins: Pins | None = None,
    ) -> None:
        self.name = name
        self._shared = shared
        self._table = table
        self._now = now
        self._pins = pins
        self._reader: tuple[Position, Session] | None = None
        self._writer: tuple[Position, Session] | None = None

    @property
    def position(self) -> Position | None:
        return None

    def exists(self, *, at_once: bool = False) -> bool:
        return self.name in self._shared

    def snapshot(self, deadline_s: float, freshness: Freshness = NEWEST) -> Session:
        image = self._image()
        if image.position < (freshness.at_least or 0):
            raise Timeout(f"there is no state {freshness.at_least}, and nobody to wait for")
        if image.is_torn:
            raise RecoveryNeeded("a writer was killed in its commit")
        self._reader = position, session = self._at(image, self._reader, deadline_s)
        assert position == image.position
        session.run("PRAGMA query_only = ON")
        return session

    def state(self) -> str:
        assert self._reader is not None
        return str(self._reader[0])

    def version(self) -> Version:
        return Version(f"{id(self._shared)}-{self.state()}", self._now())

    @contextmanager
    def write(
        self, grant: Grant, *, creates: bool = False, foreign_keys: bool = True
    ) -> Iterator[WriteTransaction]:
        with closed_on_failure(self):
            session = self._writing(grant, creates=creates)
            with session.transaction("BEGIN IMMEDIATE", foreign_keys=foreign_keys):
                yield _MemoryTransaction(self, session, grant)

    def vacuum(self, sql: str, grant: Grant) -> Position:
        session = self._writing(grant)
        grant.check()
        session.run(sql)
        return self.publish(session)

    def recover(self, grant: Grant) -> bool:
        if not self.exists():
            return False
        was_torn = self._image().is_torn
        self._shared[self.name] = replace(self._image(), is_torn=False)
        return was_torn

    def copy_out(self, copy: Path, deadline_s: float) -> None:
        copy.write_bytes(self.snapshot(deadline_s).connection.serialize("main"))

    def replace(self, copy: Path, grant: Grant) -> Position:
        session = self._writing(grant)
        grant.check()
        _load(session, copy.read_bytes())
        return self.publish(session)

    def remove(self, grant: Grant, check: Callable[[str], None]) -> str:
        check(str(self._image().position))
        grant.check()
        self._shared[f"{KEPT}{self.name}"] = self._shared.pop(self.name)
        return self.name

    def bring_back(self, kept: str, grant: Grant) -> None:
        if self.exists():
            raise BadEvent(f"the database {self.name!r} exists", field="database")
        if f"{KEPT}{kept}" not in self._shared:
            raise BadEvent(f"no deleted database is kept as {kept!r}", field="kept")
        self._shared[self.name] = self._shared.pop(f"{KEPT}{kept}")

    def pinned(self, pins: Pins) -> "MemoryStore":
        return MemoryStore(self.name, self._shared, self._table, self._now, pins)

    def release_memory(self) -> None:
        for _position, session in filter(None, (self._reader, self._writer)):
            session.connection.release_memory()

    def close(self) -> None:
        for _position, session in filter(None, (self._reader, self._writer)):
            session.close()
        self._reader = self._writer = None

    def publish(self, session: Session) -> Position:
        """Make what a connection has committed the newest image."""
        before = self._shared.get(self.name, Image(b"", Position(0)))
        assert self._writer is not None
        assert self._writer[0] == before.position, "somebody wrote without a grant"
        position = Position(before.position + 1)
        self._shared[self.name] = Image(session.connection.serialize("main"), position)
        self._writer = position, session
        return position

    def _image(self) -> Image:
        if self.name not in self._shared:
            raise DatabaseReplaced("there is no such database")
        return self._shared[self.name]

    def _writing(self, grant: Grant, *, creates: bool = False) -> Session:
        image = Image(b"", Position(0))
        if self.exists() or not creates:
            self.recover(grant)
            image = self._image()
        self._writer = _position, session = self._at(image, self._writer, grant.deadline_s)
        session.run(self._table.sql)
        return session

    def _at(
        self, image: Image, opened: tuple[Position, Session] | None, deadline_s: float
    ) -> tuple[Position, Session]:
        """Return the connection as it is at an image, or another one."""
        if opened is not None and opened[0] == image.position:
            opened[1].deadline_s = deadline_s
            return opened
        if opened is not None:
            opened[1].close()
        session = Session(
            self.name, ":memory:", flags=FLAGS, now=self._now, deadline_s=deadline_s,
            pins=self._pins,
        )  # fmt: skip
        if image.content:
            _load(session, image.content)
        return image.position, session


class _MemoryTransaction:
    def __init__(self, store: MemoryStore, connection: Session, grant: Grant) -> None:
        self.connection = connection
        self._store = store
        self._grant = grant

    def commit(self) -> Position:
        self._grant.check()
        self.connection.finish("COMMIT")
        return self._store.publish(self.connection)


def _load(session: Session, content: bytes) -> None:
    """Load an image, past the policy: `deserialize` attaches a database."""
    connection = session.connection
    policy, connection.authorizer = connection.authorizer, None
    try:
        connection.deserialize("main", content)
    finally:
        connection.authorizer = policy
