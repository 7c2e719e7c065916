"""A result whose rows leave as they are fetched, into a file, so that none of them is kept."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import islice
from typing import Any, Protocol

from sqlatch.kernel.errors import ReadOnly, ResultTooLarge
from sqlatch.kernel.values import Row
from sqlexec.execute import CHUNK_BYTES_MAX, ROWS_AT_ONCE_FIRST, ROWS_AT_ONCE_MAX, execute
from sqlexec.plan import Plans
from sqlexec.statement import Job, Kind, Limits, Outcome
from storage.connection import Cursor, Session
from storage.translate import WriteRefused

LINK = "the statement writes, and a link is to what is read: leave `link` out"


class File(Protocol):
    """A file that is written. What is not finished leaves nothing behind."""

    def head(self, columns: tuple[str, ...]) -> int:
        """Begin the file, before its first row; return the bytes of that."""

    def add(self, columns: tuple[str, ...], rows: list[Row]) -> int:
        """Write rows; return their bytes."""

    def finish(self) -> Any:
        """Make the file whole; return how to get it."""


Begin = Callable[[], AbstractContextManager[File]]


def read_into(job: Job, begin: Begin, plans: Plans, session: Session) -> Outcome:
    """Read a statement into a file. The read is over before the file is finished."""
    (statement,) = job.statements
    plan = plans.of(statement, session)
    if plan.kind is not Kind.READ:
        raise ReadOnly(LINK)
    with begin() as file:
        try:
            result = execute(statement, plan, session, _Outflow(job.limits, file))
        except WriteRefused as error:
            plans.turns_out_to_write(statement)
            raise ReadOnly(LINK) from error
        return Outcome([replace(result, link=file.finish())], wrote=False)


class _Outflow:
    """An outlet whose rows go into a file, within the limits of that."""

    def __init__(self, limits: Limits, file: File) -> None:
        self.rows_bytes = 0
        self._limits = limits
        self._file = file

    def fetch(self, cursor: Cursor, columns: tuple[str, ...]) -> tuple[list[Any], int, bool]:
        """Write the rows; return how many they are, and whether some were left out."""
        count, stop_at = 0, self._limits.truncate_rows
        at_once = ROWS_AT_ONCE_FIRST
        if columns:
            self.spend_names(columns)
        while rows := list(islice(cursor, at_once)):
            truncated = stop_at is not None and count + len(rows) > stop_at
            if truncated:
                del rows[(stop_at or 0) - count :]
            size_bytes = self._file.add(columns, rows) if rows else 0
            count += len(rows)
            self._spend(size_bytes, count)
            if truncated:
                return [], count, True
            at_once = 1 if size_bytes > CHUNK_BYTES_MAX else min(2 * at_once, ROWS_AT_ONCE_MAX)
        return [], count, False

    def spend_names(self, names: tuple[str, ...]) -> None:
        self._spend(self._file.head(names), 0)

    def _spend(self, size_bytes: int, rows: int) -> None:
        limits = self._limits
        self.rows_bytes += size_bytes
        if self.rows_bytes > limits.bytes_max:
            raise ResultTooLarge(
                f"the result passed its limit after {rows:,} rows and {self.rows_bytes:,} bytes:"
                f" the limit is {limits.bytes_max:,} bytes; {limits.all_rows_with}",
                rows=rows,
                bytes=self.rows_bytes,
                bytes_max=limits.bytes_max,
            )
