"""The lease to write to a database: whether this connection has its lease, and for how long."""

import os
import socket
import threading
from contextlib import ExitStack
from functools import cache
from sqlite3 import OperationalError

from sqlatch.django.files import DatabaseFile
from sqlatch.django.locking import (
    DYNAMODB,
    MARGIN_S,
    Clock,
    Lease,
    Leases,
    LeaseTable,
    open_table,
)
from sqlatch.django.opening import make_ready
from sqlatch.django.settings import LeaseSettings
from sqlatch.errors import LeaseBusy, SqlatchError

AGAINST_ORDER = 0.25
"""The share of its patience for which a transaction that holds another database's lease waits for
one whose name comes before: of two that wait for each other, the one in order goes on."""

OUT_OF_ORDER = (
    " (waited only {:g} s, since this thread holds the lease on {!r}: write to several"
    " databases in the order of their names)"
)

RECOVERY_CHECK_S = 0.1
"""How long to wait for the recovery lease before checking again whether another process has
recovered the database."""


_of_thread = threading.local()


class WriteLease:
    """The lease of one database, as one connection takes it and gives it back."""

    def __init__(self, file: DatabaseFile, settings: LeaseSettings, *, clock: Clock) -> None:
        self._file = file
        self._settings = settings
        self._clock = clock
        self._end = ExitStack()
        self._leases: Leases | None = None
        self._lease: Lease | None = None

    @property
    def is_held(self) -> bool:
        return self._lease is not None

    @property
    def left_s(self) -> float:
        """The time for which the lease that is held may still be used."""
        assert self._lease is not None
        return self._lease.held.expires_at_s - MARGIN_S - self._clock.now()

    def take(self, *, patience_s: float | None = None) -> None:
        """Take the lease; OperationalError if it cannot be acquired.

        After the crash of another, directory and journal are opened, so that SQLite is shown what
        that one left.
        """
        patience_s = self._settings.patience_s if patience_s is None else patience_s
        hint = ""
        if (held := self._held_out_of_order()) is not None:
            patience_s *= AGAINST_ORDER
            hint = OUT_OF_ORDER.format(patience_s, held._file.name)
        try:
            self._take(patience_s)
        except SqlatchError as error:
            raise _in_djangos_words(error, hint) from error
        _leases_of_thread().add(self)

    def check(self) -> None:
        """Refuse if the lease has run out: the last step before a commit."""
        if self.left_s <= 0:
            raise OperationalError(
                f"the lease on {self._file.name!r} ran out {-self.left_s:.3f} s before the commit:"
                " the transaction is rolled back, nothing of it was written"
                f" (it may last {self._settings.use_s:g} s: SQLITE_LOCK_EXPIRATION)"
            )

    def give_back(self) -> None:
        self._lease = None
        self._end.close()

    def close(self) -> None:
        """Give back what is held, and close a table that nobody else uses."""
        self.give_back()
        leases, self._leases = self._leases, None
        if leases is not None and not self._settings.address.startswith(DYNAMODB):
            leases.close()

    def make_ready(self, *, only_if_hot: bool) -> None:
        """Recover the database under the lease, or wait until another process has."""
        waits_until_s = self._clock.now() + self._settings.patience_s
        while True:
            try:
                self._take(RECOVERY_CHECK_S)
            except LeaseBusy as busy:
                if only_if_hot and not self._file.is_hot():
                    return
                if self._clock.now() >= waits_until_s:
                    raise _in_djangos_words(busy) from busy
            except SqlatchError as error:
                raise _in_djangos_words(error) from error
            else:
                break
        try:
            make_ready(self._file, timeout_s=self._settings.patience_s)
        finally:
            self.give_back()

    def _held_out_of_order(self) -> "WriteLease | None":
        """Return a lease that this thread holds and should have taken after this one."""
        leases = _leases_of_thread()
        leases -= {lease for lease in leases if not lease.is_held}
        return next((lease for lease in leases if lease._order > self._order), None)

    @property
    def _order(self) -> tuple[str, str]:
        return self._file.name, self._settings.address

    def _take(self, patience_s: float) -> None:
        if self._leases is None:
            self._leases = Leases(_table(self._settings.address, os.getpid()), clock=self._clock)
        self._lease = self._end.enter_context(
            self._leases.hold(
                self._file.name,
                holder=_holder(),
                deadline_s=self._clock.now() + patience_s,
                use_s=self._settings.use_s,
            )
        )
        if self._lease.taken_over:
            self._file.open_directory()
            self._file.is_perhaps_hot()


def _leases_of_thread() -> set[WriteLease]:
    if not hasattr(_of_thread, "leases"):
        _of_thread.leases = set()
    leases: set[WriteLease] = _of_thread.leases
    return leases


def _table(address: str, process: int) -> LeaseTable:
    """A client of DynamoDB serves every thread of a process; a connection to SQLite just one."""
    return _shared(address, process) if address.startswith(DYNAMODB) else open_table(address)


@cache
def _shared(address: str, _process: int) -> LeaseTable:
    return open_table(address)


def _holder() -> str:
    name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME") or socket.gethostname()
    return f"{name}:django:{os.getpid()}"


def _in_djangos_words(error: SqlatchError, hint: str = "") -> OperationalError:
    if isinstance(error, LeaseBusy):
        return OperationalError(f"database is locked: {error}{hint}")
    return OperationalError(str(error))
