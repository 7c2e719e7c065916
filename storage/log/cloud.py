"""The engine that keeps each database as a log in DynamoDB and S3: the first to commit wins."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import cast

from sqlatch.kernel.errors import StorageError
from storage import copies
from storage.engine import Table as Ours
from storage.engine import Work
from storage.log.answers import NoAnswer
from storage.log.archive import Archive
from storage.log.capture import whole_of
from storage.log.dynamodb import DynamoLog
from storage.log.engine import is_taken
from storage.log.log import COMMIT_ID_BYTES, Conflict, InDoubt, Place
from storage.log.names import Names
from storage.log.objects import Objects
from storage.log.replica import Replica
from storage.log.slots import Slot
from storage.log.store import Store
from storage.log.table import Table

ADD_S = 10.0
"""The time for the question whether a database is there that was to be added."""


class InTable:
    """The databases of a table and a bucket, and their copies, which are this machine's."""

    needs_lease = False

    def __init__(self, table: Table, objects: Objects, slot: Slot) -> None:
        self.work = Work()
        self._table = table
        self._objects = objects
        self._slot = slot
        self._names = Names(table)
        self._replicas: dict[str, Replica] = {}

    def open(self, name: str, *, table: Ours, now: Callable[[], float]) -> Store:
        if name not in self._replicas:
            self._replicas[name] = Replica(
                name,
                self._slot.path / name,
                partial(self._log, name, now),
                Archive(Path("/nonexistent")),
                now=now,
                work=self.work,
            )
        return Store(name, self._replicas[name], table=table, now=now)

    def names(self) -> list[str]:
        with _answered():
            return self._names.all()

    def sizes_bytes(self) -> dict[str, int]:
        """The bytes of the objects, and of the records that are in the table.

        The bucket is asked even if there is no database: its absence is told here.
        """
        sizes = {name: self._inline_bytes(name) for name in self.names()}
        with _answered():
            for found in self._objects.list():
                name = found.key.partition("/")[0]
                if name in sizes:
                    sizes[name] += found.size_bytes
        return sizes

    def add(self, name: str, copy: Path) -> None:
        """Append the whole database as the first record of its log."""
        log = self._log(name, time.time, Place(epoch=0, offset=0, txid=0), None)
        content = whole_of(copies.content_of(copy)).record(1, at_ms=int(time.time() * 1000))
        commit_id = os.urandom(COMMIT_ID_BYTES)
        try:
            if log.sync(time.time() + ADD_S):
                raise is_taken(name)
            log.append(commit_id, content)
        except Conflict as error:
            raise is_taken(name) from error
        except InDoubt as error:
            if not log.outcome(1, commit_id, time.time() + ADD_S)[0]:
                raise is_taken(name) from error

    def tend(self, name: str, deadline_s: float) -> None:
        pass

    def _log(
        self, name: str, now: Callable[[], float], place: Place, log_id: bytes | None
    ) -> DynamoLog:
        return DynamoLog(name, self._table, self._objects, at=place, database_id=log_id, now=now)

    def _inline_bytes(self, name: str) -> int:
        with _answered():
            records = self._table.behind(name, 0)
            return sum(len(cast("bytes", record.get("d", b""))) for record in records)


def in_table(table: str, bucket: str, prefix: str, copies: Path) -> InTable:
    """Return the engine of a table and of the objects below a prefix."""
    slot = Slot(f"dynamodb:{table},s3://{bucket}/{prefix}", copies)
    return InTable(Table(table), Objects(bucket, prefix), slot)


@contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except NoAnswer as error:
        raise StorageError(f"the log: {error}") from error
