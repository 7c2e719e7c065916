"""Rows of a file into one database, block by block, from where an earlier load stopped."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from sqlatch.client import Client
from sqlatch.command.journal import CannotResume, Digest, Done, Journal
from sqlatch.command.schema import quoted
from sqlatch.command.source import Line
from sqlatch.errors import SqlatchError

BLOCK_ROWS = 5_000
"""Rows between two lines of the journal. A block is one request, or a few if its rows are long."""

Progress = Callable[[int], None]
"""Is told how many rows of the file a database has."""


class LineRefused(Exception):
    """The service refused a block; says the line if it is known. `error` is why."""

    def __init__(self, message: str, error: SqlatchError) -> None:
        super().__init__(message)
        self.error = error


@dataclass(frozen=True, slots=True)
class Load:
    """A load into one database."""

    client: Client
    url: str
    table: str
    columns: list[str]
    journal: Journal
    stop: threading.Event

    def run(self, lines: Iterator[Line], progress: Progress) -> int:
        """Load the rows that are not there yet; how many were loaded now.

        A block that fails leaves the ones before it, and of itself nothing behind the line named.
        """
        digest = Digest()
        done = self._passed(lines, digest)
        progress(done)
        loaded = 0
        while not self.stop.is_set() and (block := list(islice(lines, BLOCK_ROWS))):
            self._send(block, done)
            for line in block:
                digest.add(line.values)
            done += len(block)
            loaded += len(block)
            self.journal.acknowledge(self.url, Done(done, digest.text()))
            progress(done)
        return loaded

    def _passed(self, lines: Iterator[Line], digest: Digest) -> int:
        """Pass over the rows that are there; CannotResume if the file begins otherwise now."""
        done = self.journal.done.get(self.url, Done())
        passed = 0
        for line in islice(lines, done.rows):
            digest.add(line.values)
            passed += 1
        if done.rows and (passed, digest.text()) != (done.rows, done.digest):
            raise CannotResume("the rows that are loaded are no longer the first ones of the file")
        return passed

    def _send(self, block: list[Line], done: int) -> None:
        names = ", ".join(map(quoted, self.columns))
        marks = ", ".join("?" * len(self.columns))
        try:
            self.client.load(
                f"INSERT INTO {quoted(self.table)} ({names}) VALUES ({marks})",  # noqa: S608 (quoted)
                (line.values for line in block),
                # The same block has the same key when it comes again, and is not applied twice.
                idempotency_key=f"{self.journal.key}:{done}",
            )
        except SqlatchError as error:
            row = error.facts.get("row")
            if isinstance(row, int) and 0 <= row < len(block):
                where = f"line {block[row].number}"
            else:
                where = f"lines {block[0].number} to {block[-1].number}"
            raise LineRefused(f"{where}: {error.code}: {error.message}", error) from error
