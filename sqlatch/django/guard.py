"""The guard: SQLite asks it, of each statement that it prepares, whether that is allowed."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

KEPT = frozenset({
    "cache_spill", "journal_mode", "locking_mode", "mmap_size", "query_only", "synchronous",
})  # fmt: skip
"""PRAGMAs on which the safety of the file depends: only the backend sets them."""

NOT_TO_BE_SET = (
    "is not to be set: on NFS the safety of the file stands on it, and it is set already"
)
ONE_FILE = "ATTACH and VACUUM INTO are refused: the lease is for one file (to copy it: backup())"


class Guard:
    """An authorizer for SQLite. `is_writing` says whether the lease is held."""

    def __init__(self, *, is_writing: Callable[[], bool]) -> None:
        self._is_writing = is_writing
        self._is_ours = False
        self._has_passed_gate = False
        self._refusal: str | None = None

    @contextmanager
    def ours(self) -> Iterator[None]:
        """Permit the backend's own statements inside, all but a COMMIT."""
        before, self._is_ours = self._is_ours, True
        try:
            yield
        finally:
            self._is_ours = before

    @contextmanager
    def gate_passed(self) -> Iterator[None]:
        """Permit the COMMIT inside, which has just passed the last check."""
        self._has_passed_gate = True
        try:
            yield
        finally:
            self._has_passed_gate = False

    def watch(self, action: Callable[[], T]) -> T:
        """Run an action; where the guard refuses it, the error says why."""
        self._refusal = None
        try:
            return action()
        except sqlite3.DatabaseError as error:
            if self._refusal is None or result_code(error) != sqlite3.SQLITE_AUTH:
                raise
            raise sqlite3.OperationalError(self._refusal) from error

    def authorize(
        self, action: int, first: str | None, second: str | None, *_where: str | None
    ) -> int:
        """Tell SQLite whether an action is allowed."""
        if action == sqlite3.SQLITE_TRANSACTION and first == "COMMIT":
            is_late = self._is_writing() and not self._has_passed_gate
            return sqlite3.SQLITE_DENY if is_late else sqlite3.SQLITE_OK
        refusal = None
        if action == sqlite3.SQLITE_PRAGMA and second is not None and str(first).lower() in KEPT:
            refusal = f"PRAGMA {first} {NOT_TO_BE_SET}"
        elif action == sqlite3.SQLITE_ATTACH and first not in ("", ":memory:"):
            refusal = ONE_FILE
        if refusal is None or self._is_ours:
            return sqlite3.SQLITE_OK
        self._refusal = refusal
        return sqlite3.SQLITE_DENY


def result_code(error: sqlite3.Error) -> int | None:
    """SQLite's result code, which errors of Python's module itself do not have."""
    return getattr(error, "sqlite_errorcode", None)
