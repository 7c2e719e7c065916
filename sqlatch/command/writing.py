"""The writes of a copy to its target: one transaction each, fenced by a table there."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol
from uuid import uuid4

from sqlatch.client import Client
from sqlatch.dbapi.stream import stmt_of, stmts_of
from sqlatch.errors import DatabaseNotFound, SqlatchError, StatementError
from sqlatch.failures import UnexpectedAnswer
from sqlatch.kernel.errors import error_of
from sqlatch.kernel.values import Row, Value
from sqlatch.load import CHUNK_BYTES_MAX, CHUNK_ROWS_MAX, chunks

STATEMENTS_MAX = 500
"""Of one request, which is one transaction; the service takes 1,000."""

Step = dict[str, Any]


class Writer(Protocol):
    """A way to run statements in one transaction of the target, all of them or none."""

    def step(self, sql: str, parameters: Sequence[Value] = ()) -> Step:
        """Return a statement as this way sends it."""

    def steps(self, sql: str, rows: Iterable[Row]) -> Iterator[Step]:
        """Return a statement that runs once for each row, in parts that fit into a request."""

    def send(self, steps: Sequence[Step]) -> None:
        """Run them. What is sent again because its answer was lost is done once."""


class Requests:
    """By requests of the service's contract, in which foreign keys hold at the end of each."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def step(self, sql: str, parameters: Sequence[Value] = ()) -> Step:
        return {"query": sql, "parameters": list(parameters)}

    def steps(self, sql: str, rows: Iterable[Row]) -> Iterator[Step]:
        for chunk in chunks(self._client.transport, sql, rows, CHUNK_ROWS_MAX):
            yield {"query": sql, "parameter_sets": chunk}

    def send(self, steps: Sequence[Step]) -> None:
        self._client.ask({"statements": steps, "idempotency_key": str(uuid4())})


class Unchecked:
    """By pipelines of libSQL, which may leave foreign keys unchecked: rows come in any order."""

    _BEGIN = ("PRAGMA foreign_keys = OFF", "BEGIN IMMEDIATE")

    def __init__(self, client: Client) -> None:
        self._client = client

    def step(self, sql: str, parameters: Sequence[Value] = ()) -> Step:
        return stmt_of(sql, parameters)

    def steps(self, sql: str, rows: Iterable[Row]) -> Iterator[Step]:
        size_bytes = self._client.transport.size_bytes
        return stmts_of(sql, iter(rows), size_bytes=size_bytes, bytes_max=CHUNK_BYTES_MAX)

    def send(self, steps: Sequence[Step]) -> None:
        stmts = [*map(stmt_of, self._BEGIN), *steps, stmt_of("COMMIT")]
        batch: list[Step] = [{"stmt": stmts[0]}]
        for number, stmt in enumerate(stmts[1:]):
            batch.append({"stmt": stmt, "condition": {"type": "ok", "step": number}})
        event = {
            "pipeline": {"requests": [{"type": "batch", "batch": {"steps": batch}}]},
            "database": self._client.database,
            "idempotency_key": str(uuid4()),
        }
        attempts = self._client.attempts

        def once() -> None:
            _check(self._client.transport.invoke(event, timeout_s=attempts.one_s))

        attempts.of(once, repeatable=True)


MARK = "unfinished_copy"
"""The table that a target has as long as its copy is unfinished."""


def unfinished(client: Client) -> str | None:
    """Return the source of which a database is an unfinished copy, None if it is none."""
    try:
        if client.query("SELECT 1 FROM sqlite_schema WHERE name = ?", [MARK]).rows:
            ((source,),) = client.query("SELECT source FROM unfinished_copy").rows
            return str(source)
    except DatabaseNotFound:
        pass
    return None


class Fenced:
    """The writes of one run of a copy, each of which another run that began later refuses.

    What is still on its way from a run that was stopped finds the name of another run in the table
    that marks the target, or no such table.
    """

    _DROP = "DROP TABLE unfinished_copy"
    _MAKE = "CREATE TABLE unfinished_copy (source TEXT NOT NULL, run TEXT NOT NULL)"
    _MARK = "INSERT INTO unfinished_copy VALUES (?, ?)"
    _GUARD = "UPDATE unfinished_copy SET run = CASE run WHEN ? THEN run END"

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._run = str(uuid4())

    def begin(self, source: str, *, takes_over: bool) -> None:
        """Mark the target as an unfinished copy of `source`."""
        step = self._writer.step
        dropped = [step("DROP TABLE IF EXISTS unfinished_copy")] if takes_over else []
        made = step(self._MAKE), step(self._MARK, [source, self._run])
        self._writer.send([*dropped, *made])

    def run(self, statements: Sequence[str]) -> None:
        """Run statements, in as few transactions as it takes."""
        for first in range(0, len(statements), STATEMENTS_MAX):
            self._send(self._writer.step(sql) for sql in statements[first : first + STATEMENTS_MAX])

    def load(self, sql: str, rows: Iterable[Row]) -> None:
        """Run a statement once for each row."""
        for step in self._writer.steps(sql, rows):
            self._send([step])

    def finish(self, statements: Sequence[str]) -> None:
        """Run statements, and take the mark off, in one transaction."""
        self._send(map(self._writer.step, (*statements, self._DROP)))

    def _send(self, steps: Iterable[Step]) -> None:
        self._writer.send([self._writer.step(self._GUARD, [self._run]), *steps])


def _check(reply: dict[str, Any]) -> None:
    """Raise what a step of a pipeline failed with."""
    try:
        (result,) = reply["results"]
        errors = (
            [result["error"]]
            if result["type"] == "error"
            else result["response"]["result"]["step_errors"]
        )
        failed = [(one["message"], one["code"]) for one in errors if one is not None]
    except (KeyError, TypeError, ValueError) as error:
        raise UnexpectedAnswer(f"the answer is not the reply to a batch: {error!r}") from error
    for message, code in failed:
        known: SqlatchError | None = error_of({"code": code, "message": message})
        raise known or StatementError(message)
