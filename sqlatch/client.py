"""The client: statements to one database, over either transport."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from os import PathLike
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from sqlatch import request
from sqlatch.attempts import Attempts
from sqlatch.kernel.values import Parameters, Row
from sqlatch.link import Link, link_of
from sqlatch.load import Loaded, Progress, load
from sqlatch.opening import ATTEMPT_S, TIMEOUT_S, copy_of, given, transport_of
from sqlatch.result import Commit, Result, commits_of, page_of, results_of
from sqlatch.statement import Statement
from sqlatch.transports.transport import Transport

if TYPE_CHECKING:
    from sqlatch.session import Session

FIRST_PAGE = "first"


class Client:
    """A database of one service. Threads may share it.

    A call has `timeout_s` in all, and is repeated within it where that is safe: a read, or a write
    under an idempotency key. Of the writes that it is not given a key for it makes one.
    """

    def __init__(self, transport: Transport, database: str, *, attempts: Attempts) -> None:
        self.transport = transport
        self.database = database
        self.attempts = attempts

    def query(
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
        return results_of(self.ask(fields))[0]

    def page(
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
        return page_of(self.ask(fields))

    def pages(
        self,
        query: str,
        parameters: Parameters | None = None,
        *,
        rows_max: int | None = None,
        at_least: str | None = None,
        at: str | datetime | None = None,
    ) -> Iterator[Result]:
        """Read a result of any size, page by page, each when it is asked for."""
        page: str | None = FIRST_PAGE
        while page is not None:
            result = self.page(
                query, parameters, page=page, rows_max=rows_max, at_least=at_least, at=at
            )
            yield result
            page = result.page.next if result.page else None

    def iterate(
        self,
        query: str,
        parameters: Parameters | None = None,
        *,
        rows_max: int | None = None,
        at_least: str | None = None,
        at: str | datetime | None = None,
    ) -> Iterator[Row]:
        """Read the rows of a result of any size. No lock is held between its pages.

        All rows are of one state of the database. DatabaseChanged if a commit came between two
        pages: none of the rows behind it is given.
        """
        for result in self.pages(query, parameters, rows_max=rows_max, at_least=at_least, at=at):
            yield from result.rows

    def link(
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
        return link_of(self.ask(fields))

    def execute(
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
        return results_of(self.ask(fields))[0]

    def batch(
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
        return results_of(self.ask(fields))

    def load(
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
        return load(self.transport, query, rows, ask=self.ask, key=key, progress=progress)

    def session(self, *, at_least: str | None = None) -> "Session":
        """Return a client whose reads see what it has written, and the state at that position."""
        from sqlatch.session import Session

        return Session(self, at_least=at_least)

    def ask(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request as the service's contract has it; return the reply as it came."""
        attempts = self.attempts
        event = request.event(fields, database=self.database, attempts=attempts)
        with request.refused():
            return attempts.of(
                lambda: self.transport.invoke(event, timeout_s=attempts.one_s),
                repeatable=request.is_repeatable(event),
            )

    def health(self) -> dict[str, Any]:
        """Return the health of the service."""
        one_s = self.attempts.one_s
        return self.attempts.of(
            lambda: self.transport.invoke({"health": True}, timeout_s=one_s), repeatable=True
        )

    def leader(self) -> dict[str, Any]:
        """Return which node leads, and the role of the one that was asked."""
        return self.ask(request.leader())

    def move_leader(self, to: str | None = None) -> dict[str, Any]:
        """Have the node with the URL `to` lead, or any other than the one that does now."""
        return self.ask(request.leader_moved(to))

    def delete_database(self, *, if_state: str | None = None) -> str:
        """Delete the database; return the name of the copy that the service keeps for 7 days.

        With `if_state`, the `page.state` of a result, only if it is still in that state: else
        DatabaseChanged.
        """
        return str(self.ask(request.deletion(if_state))["kept"])

    def undelete_database(self, kept: str) -> None:
        """Bring a copy that a deletion has kept back, under the name of this database."""
        self.ask(request.undeletion(kept))

    def history(self, *, before: str | None = None, most: int = 100) -> list[Commit]:
        """Return the newest states of the database that can be read with `at`, newest first."""
        return commits_of(self.ask(request.history(before, most)))

    def branch(self, to: str, *, at: str | datetime | None = None) -> str:
        """Make another database, `to`, of the state of this one, or of what it was at a moment.

        Return the position of that state. BadEvent if the name is taken, or the state is not kept.
        """
        return str((self.ask(request.branch(to, at)))["position"])

    def sync(self) -> str | None:
        """Read at the newest state, which a replica's copy then has, and return its position."""
        return self.query("SELECT 1", max_age_ms=0).position

    def close(self) -> None:
        """Close the connections that were kept."""
        self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


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
    """A client of the database that a URL names; BadUrl if it names none. No call is made yet.

    https:// is signed for IAM unless `token` is given or `iam` is False; http:// is not, unless
    `iam` is True. replica+https:// and replica+http:// keep a copy in the directory `path`; a read
    that does not say how old its state may be gets one that is `max_age_ms` old, 1,000 unless told.
    """
    target, attempts = given(url, timeout_s=timeout_s, attempt_s=attempt_s)
    copy = copy_of(target, path, max_age_ms)
    transport = transport_of(target, token=token, iam=iam, copy=copy)
    return Client(transport, target.database, attempts=attempts)
