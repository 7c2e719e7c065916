"""Rows of a file into one database, block by block, from where an earlier load stopped."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sqlatch.client import Client
from sqlatch.command.journal import CannotResume, Digest, Done, Journal
from sqlatch.command.source import Line
from sqlatch.errors import SqlatchError
from sqlatch.failures import UNKNOWN
from sqlatch.kernel.values import Value
from sqlatch.load import load

BLOCK_ROWS = 5_000
"""Rows of a block, which is one request and one transaction; of long rows a block has fewer."""

Progress = Callable[[int], None]
"""Is told how many rows of the file a database has."""


class LineRefused(Exception):
    """The service refused a block; says the line if it is known. `error` is why."""

    def __init__(self, message: str, error: SqlatchError) -> None:
        super().__init__(message)
        self.error = error


class Stopped(Exception):
    """The load was told to stop before the next block was sent."""


@dataclass(slots=True)
class Load:
    """A load into one database."""

    client: Client
    url: str
    sql: str
    counted: str
    journal: Journal
    stop: threading.Event
    rows_affected: int = 0
    _digest: Digest = field(default_factory=Digest)
    _read: deque[Line] = field(default_factory=deque)
    _block: int = 0

    def run(self, lines: Iterator[Line], progress: Progress) -> int:
        """Load the rows that are not there yet; return how many were loaded now.

        A block that is refused leaves the ones before it, and nothing of its own.
        """
        done = self._passed(lines)
        progress(done)
        loaded = 0

        def told(rows: int) -> None:
            nonlocal loaded
            loaded = rows
            progress(done + rows)

        try:
            load(
                self.client.transport,
                self.sql,
                self._values(lines),
                ask=self._send,
                key=self.journal.key,
                progress=told,
                rows_max=BLOCK_ROWS,
            )
        except Stopped:
            pass
        except SqlatchError as error:
            raise self._refused(error) from error
        return loaded

    def _passed(self, lines: Iterator[Line]) -> int:
        """Pass over the rows that are there; CannotResume if the file begins otherwise now."""
        done = self.journal.done.get(self.url, Done())
        passed = 0
        for line in islice(lines, done.rows):
            self._digest.add(line.values)
            passed += 1
        if done.rows and (passed, self._digest.text()) != (done.rows, done.digest):
            raise CannotResume("the rows that are loaded are no longer the first ones of the file")
        return passed

    def _values(self, lines: Iterator[Line]) -> Iterator[list[Value]]:
        for line in lines:
            self._read.append(line)
            yield line.values

    def _send(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Send the next block, known by the rows before it: again, it is not applied twice."""
        if self.stop.is_set():
            raise Stopped
        self._block = len(fields["parameter_sets"])
        done = self.journal.done.get(self.url, Done())
        digest = self._digest.copy()
        for line in islice(self._read, self._block):
            digest.add(line.values)
        after = Done(done.rows + self._block, digest.text())
        if self.journal.sent.get(self.url, after) != after:
            raise CannotResume(
                f"{self._lines()} were on their way when the load stopped, may be there, and are"
                " others now: put them back, or look for them in the table"
            )
        self.journal.send(self.url, after)
        reply = self.client.ask({**fields, "idempotency_key": f"{self.journal.key}:{done.rows}"})
        self.journal.acknowledge(self.url, after)
        self.rows_affected += int(reply.get("rows_affected", 0))
        self._digest = digest
        for _ in range(self._block):
            self._read.popleft()
        self._block = 0
        return reply

    def _refused(self, error: SqlatchError) -> LineRefused:
        if self.url in self.journal.sent and error.facts.get("outcome") != UNKNOWN:
            self.journal.refuse(self.url)
        row = error.facts.get("row")
        number = row - int(str(error.facts["rows_loaded"])) if isinstance(row, int) else -1
        where = f"{self.counted} {self._read[number].number}" if number >= 0 else self._lines()
        return LineRefused(f"{where}: {error.code}: {error.message}", error)

    def _lines(self) -> str:
        block = list(islice(self._read, self._block or len(self._read)))
        return f"{self.counted}s {block[0].number} to {block[-1].number}"
