"""The client for asyncio: what is sent, repeated and raised is what `sqlatch.client` does."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from sqlatch import request
from sqlatch.aio.opening import transport_of
from sqlatch.aio.transport import Transport
from sqlatch.attempts import Attempts
from sqlatch.client import FIRST_PAGE
from sqlatch.failures import UNKNOWN
from sqlatch.kernel.values import Parameters, Row
from sqlatch.link import Link, link_of
from sqlatch.load import CHUNK_ROWS_MAX, Loaded, Loading, Progress
from sqlatch.opening import ATTEMPT_S, TIMEOUT_S, copy_of, given
from sqlatch.result import Commit, Result, commits_of, page_of, results_of
from sqlatch.statement import Statement

if TYPE_CHECKING:
    from sqlatch.aio.session import Session


class Client:
    """A database of one service. The tasks of one event loop may share it.

    A call that is cancelled is not repeated, and its connection is closed. Of a write the
    CancelledError then says the `outcome`, "unknown", and the `idempotency_key`: the same call with
    that key applies it at most once.
    """

    def __init__(self, transport: Transport, database: str, *, attempts: Attempts) -> None:
        self.transport = transport
        self.database = database
        self.attempts = attempts

    async def query(
        self,
        query: str,
        parameters: Parameters | None = None,
        *,
        rows_max: int | None = None,
        at_least: str | None = None,
        max_age_ms: int | None = None,
        at: str | datetime | None = None,
    ) -> Result:
        """Read. ReadOnly is raised for what would write.

        The read sees at least the state at a position, and one that is at most that old; or that of
        a moment of the past, a position or a time, where databases are logs.
        """
        fields = request.read(
            query, parameters, rows_max=rows_max, at_least=at_least, max_age_ms=max_age_ms, at=at
        )
        return results_of(await self.ask(fields))[0]

    async def page(
        self,
        query: str,
        parameters: Parameters | None = None,
        *,
        page: str = FIRST_PAGE,
        rows_max: int | None = None,
        at_least: str | None = None,
        at: str | datetime | None = None,
    ) -> Result:
        """Read a page of a result of any size: `page.next` of the result is to be asked for next.

        It has as many rows as fit into a reply, `rows_max` at most. All pages are of one state of
        the database, `at` a moment or now; DatabaseChanged if it is another one now.
        """
        fields = request.read(
            query,
            parameters,
            rows_max=rows_max,
            at_least=at_least,
            max_age_ms=None,
            at=at,
            page=page,
        )
        return page_of(await self.ask(fields))

    async def pages(
        self,
        query: str,
        parameters: Parameters | None = None,
        *,
        rows_max: int | None = None,
        at_least: str | None = None,
        at: str | datetime | None = None,
    ) -> AsyncIterator[Result]:
        """Read a result of any size, page by page, each when it is asked for."""
        page: str | None = FIRST_PAGE
        while page is not None:
            result = await self.page(
                query, parameters, page=page, rows_max=rows_max, at_least=at_least, at=at
            )
            yield result
            page = result.page.next if result.page else None

    async def iterate(
        self,
        query: str,
        parameters: Parameters | None = None,
        *,
        rows_max: int | None = None,
        at_least: str | None = None,
        at: str | datetime | None = None,
    ) -> AsyncIterator[Row]:
        """Read the rows of a result of any size. No lock is held between its pages.

        All rows are of one state of the database. DatabaseChanged if a commit came between two
        pages: none of the rows behind it is given.
        """
        async for result in self.pages(
            query, parameters, rows_max=rows_max, at_least=at_least, at=at
        ):
            for row in result.rows:
                yield row

    async def link(
        self,
        query: str,
        parameters: Parameters | None = None,
        *,
        format: str = "jsonl",
        rows_max: int | None = None,
        at_least: str | None = None,
        max_age_ms: int | None = None,
        at: str | datetime | None = None,
    ) -> Link:
        """Have the service write a result of up to 1 GB to a file, and return the link to that.

        `format` is "csv", "jsonl", "csv.gz" or "jsonl.gz". All rows are of one state. The time of
        the call must suffice for it: `connect(timeout_s=..., attempt_s=...)`.
        """
        fields = request.read(
            query, parameters, rows_max=rows_max, at_least=at_least, max_age_ms=max_age_ms, at=at,
            link=format,
        )  # fmt: skip
        return link_of(await self.ask(fields))

    async def execute(
        self,
        query: str,
        parameters: Parameters | None = None,
        *,
        idempotency_key: str | None = None,
        at_least: str | None = None,
    ) -> Result:
        """Run one statement, which may write: after the service has seen that position."""
        fields = request.write(
            query, parameters, idempotency_key=idempotency_key, at_least=at_least
        )
        return results_of(await self.ask(fields))[0]

    async def batch(
        self,
        statements: Iterable[Statement | str | tuple[str, Parameters]],
        *,
        read_only: bool = False,
        idempotency_key: str | None = None,
        at_least: str | None = None,
        max_age_ms: int | None = None,
        at: str | datetime | None = None,
    ) -> list[Result]:
        """Run several statements in one transaction: all or none.

        An age or a moment of the past is for those that only read: what writes is at the newest
        state.
        """
        fields = request.batch(
            statements,
            read_only=read_only,
            idempotency_key=idempotency_key,
            at_least=at_least,
            max_age_ms=max_age_ms,
            at=at,
        )
        return results_of(await self.ask(fields))

    async def load(
        self,
        query: str,
        rows: Iterable[Parameters],
        *,
        idempotency_key: str | None = None,
        progress: Progress | None = None,
    ) -> Loaded:
        """Run a statement once for each row, in as many requests as it takes.

        Each request is a transaction: all of its rows or none. A load that failed may be repeated
        with the same `idempotency_key` and the same rows, and does only what was left.
        """
        key = idempotency_key or str(uuid4())
        with Loading(self.transport, query, key=key, progress=progress) as loading:
            for fields in loading.requests(rows, CHUNK_ROWS_MAX):
                loading.take(await self.ask(fields))
        return loading.loaded

    def session(self, *, at_least: str | None = None) -> "Session":
        """Return a client whose reads see what it has written, and the state at that position."""
        from sqlatch.aio.session import Session

        return Session(self, at_least=at_least)

    async def ask(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request as the service's contract has it; return the reply as it came."""
        event = request.event(fields, database=self.database, attempts=self.attempts)
        asked = partial(self.transport.invoke, event, timeout_s=self.attempts.one_s)
        again = request.is_repeatable(event)
        with request.refused(), _cancelled(event):
            return await self.attempts.of_awaited(asked, repeatable=again, sleep=asyncio.sleep)

    async def health(self) -> dict[str, Any]:
        """Return the health of the service."""
        asked = partial(self.transport.invoke, {"health": True}, timeout_s=self.attempts.one_s)
        return await self.attempts.of_awaited(asked, repeatable=True, sleep=asyncio.sleep)

    async def leader(self) -> dict[str, Any]:
        """Return which node leads, and the role of the one that was asked."""
        return await self.ask(request.leader())

    async def move_leader(self, to: str | None = None) -> dict[str, Any]:
        """Have the node with the URL `to` lead, or any other than the one that does now."""
        return await self.ask(request.leader_moved(to))

    async def delete_database(self, *, if_state: str | None = None) -> str:
        """Delete the database; return the name of the copy that the service keeps for 7 days.

        With `if_state`, the `page.state` of a result, only if it is still in that state: else
        DatabaseChanged.
        """
        return str((await self.ask(request.deletion(if_state)))["kept"])

    async def undelete_database(self, kept: str) -> None:
        """Bring a copy that a deletion has kept back, under the name of this database."""
        await self.ask(request.undeletion(kept))

    async def history(self, *, before: str | None = None, most: int = 100) -> list[Commit]:
        """Return the newest states of the database that can be read with `at`, newest first."""
        return commits_of(await self.ask(request.history(before, most)))

    async def branch(self, to: str, *, at: str | datetime | None = None) -> str:
        """Make another database, `to`, of the state of this one, or of what it was at a moment.

        Return the position of that state. BadEvent if the name is taken, or the state is not kept.
        """
        return str((await self.ask(request.branch(to, at)))["position"])

    async def sync(self) -> str | None:
        """Read at the newest state, which a replica's copy then has, and return its position."""
        return (await self.query("SELECT 1", max_age_ms=0)).position

    async def close(self) -> None:
        """Close the connections that were kept."""
        await self.transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()


def connect(
    url: str,
    *,
    token: str | None = None,
    iam: bool | None = None,
    timeout_s: float = TIMEOUT_S,
    attempt_s: float = ATTEMPT_S,
    path: str | PathLike[str] | None = None,
    max_age_ms: int | None = None,
) -> Client:
    """A client of the database that a URL names, by the rules of `sqlatch.connect`."""
    target, attempts = given(url, timeout_s=timeout_s, attempt_s=attempt_s)
    copy = copy_of(target, path, max_age_ms)
    transport = transport_of(target, token=token, iam=iam, copy=copy)
    return Client(transport, target.database, attempts=attempts)


@contextmanager
def _cancelled(event: Mapping[str, Any]) -> Iterator[None]:
    """Say in the CancelledError of a write that it may have been applied."""
    try:
        yield
    except asyncio.CancelledError as error:
        if "read_only" not in event:
            key = event.get("idempotency_key")
            error.outcome = UNKNOWN  # type: ignore[attr-defined]
            error.idempotency_key = key  # type: ignore[attr-defined]
            error.add_note(f"a write was cancelled: it may have been applied, under the key {key}")
        raise
