"""The database of a stream, for the time of one request."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from sqlexec.transaction import Transaction

T = TypeVar("T")


class Database(Protocol):
    """The database of a stream in one request, with its leases, its recovery and its deadline."""

    rows_max: int

    def now(self) -> float: ...

    def check_deadline(self) -> None:
        """Timeout if the deadline of the request is past."""

    def run(self, action: Callable[[Transaction], T], *, sql: str, foreign_keys: bool) -> T:
        """Return what `action` returns, called in a transaction of its own.

        The transaction reads; if the statement `sql` is known to write, or turns out to, it holds
        the lease and can be committed. `action` is called again for that, after a recovery, and if
        memory was short. Where there is no database yet, it is first called on an empty one in
        memory, so that a statement that fails makes no file.
        """

    def transaction(
        self, *, write: bool, commits: bool, read_only: bool, foreign_keys: bool
    ) -> AbstractContextManager[Transaction]:
        """A transaction that is rolled back at the end; one that writes holds the lease until then.

        Where there is no database yet, only one that `commits` makes it.
        """

    def vacuum(self, sql: str) -> None: ...

    def free_memory(self) -> bool:
        """Free memory that other requests would use. Returns whether another try is worth it."""
