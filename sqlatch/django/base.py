"""The DatabaseWrapper: Django's for SQLite, on a connection that writes under the lease.

A database in memory is left as Django has it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.db.backends.sqlite3 import base, operations
from django.utils.asyncio import async_unsafe

from sqlatch.django.client import DatabaseClient
from sqlatch.django.connection import Connection
from sqlatch.django.creation import DatabaseCreation
from sqlatch.django.cursor import DjangoCursor
from sqlatch.django.files import database_file
from sqlatch.django.handle import Handle, connection_of
from sqlatch.django.locking import Clock
from sqlatch.django.opening import is_ready
from sqlatch.django.settings import lease_settings
from sqlatch.django.write_lease import WriteLease


class DatabaseOperations(operations.DatabaseOperations):
    compiler_module = "sqlatch.django.compiler"


class DatabaseWrapper(base.DatabaseWrapper):
    client_class = DatabaseClient
    creation_class = DatabaseCreation
    ops_class = DatabaseOperations
    clock = Clock()
    _rollback_is_asked_for = False

    @async_unsafe
    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        if self.is_in_memory_db():
            return super().get_new_connection(conn_params)
        file = database_file(conn_params["database"])
        lease = WriteLease(file, lease_settings(file.path, conn_params), clock=self.clock)
        if not file.is_read_only:
            if not is_ready(file):
                lease.make_ready(only_if_hot=False)
            elif file.is_perhaps_hot() and file.is_hot():
                lease.make_ready(only_if_hot=True)
        factory = partial(
            Connection, file=file, lease=lease, is_managed=lambda: not self.autocommit
        )
        return Handle(super().get_new_connection({**conn_params, "factory": factory}))

    def create_cursor(self, name: str | None = None) -> Any:
        if self._leased is None:
            return super().create_cursor(name)
        return self.connection.cursor(factory=DjangoCursor)

    def lock_for_update(self, *, nowait: bool = False) -> None:
        """Take the lease for the open transaction; without a transaction it does nothing."""
        if self.in_atomic_block and self._leased is not None:
            with self.wrap_database_errors:
                self._leased.begin_writing(patience_s=0.0 if nowait else None)

    @property
    def needs_rollback(self) -> bool:
        """True if Django is to roll back at the end of the block.

        Not where the transaction is gone already: then it is to commit, which says so. Else an
        error that was caught inside would let the block end as if all were well.
        """
        return self._needs_rollback and not self._is_lost

    @needs_rollback.setter
    def needs_rollback(self, needs_rollback: bool) -> None:
        self._needs_rollback = needs_rollback

    def set_rollback(self, rollback: bool) -> None:  # noqa: FBT001
        """Run statements that are expected to write nothing."""
        super().set_rollback(rollback)
        self._rollback_is_asked_for = rollback

    @property
    def _is_lost(self) -> bool:
        is_lost = self._leased is not None and self._leased.has_ended
        return is_lost and not self._rollback_is_asked_for

    @property
    def _leased(self) -> Connection | None:
        return connection_of(self.connection) if isinstance(self.connection, Handle) else None

    def _start_transaction_under_autocommit(self) -> None:
        self._rollback_is_asked_for = False
        super()._start_transaction_under_autocommit()

    def _set_autocommit(self, autocommit: bool) -> None:  # noqa: FBT001
        if autocommit and self._leased is not None:
            # The assignment commits what is open, and would do so without the last check.
            with self.wrap_database_errors:
                self._leased.commit()
        super()._set_autocommit(autocommit)

    def _savepoint(self, sid: str) -> None:
        with self._reading_nothing():
            super()._savepoint(sid)
        if self._leased is not None:
            self._leased.savepoints.append(sid)

    def _savepoint_commit(self, sid: str) -> None:
        with self._reading_nothing():
            super()._savepoint_commit(sid)
        if self._leased is not None and sid in self._leased.savepoints:
            del self._leased.savepoints[self._leased.savepoints.index(sid) :]

    def _savepoint_rollback(self, sid: str) -> None:
        with self._reading_nothing():
            super()._savepoint_rollback(sid)
        if self._leased is not None and sid in self._leased.savepoints:
            del self._leased.savepoints[self._leased.savepoints.index(sid) + 1 :]

    @contextmanager
    def _reading_nothing(self) -> Iterator[None]:
        """For statements that only mark a place: what is read later is what counts."""
        has_read = self._leased is not None and self._leased.has_read
        yield
        if self._leased is not None:
            self._leased.has_read = has_read
