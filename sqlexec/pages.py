"""A result read page by page, a request for each: where a page begins, and of which state.

All pages are of one state of the database, or the one that is not is refused. The same statement,
at the same time and with the same randomness, on the same state gives the same rows in the same
order, so a page is the rows behind a number of rows that are passed over.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from secrets import token_hex
from typing import Any

from sqlatch.kernel.errors import BadEvent, DatabaseChanged, ReadOnly
from sqlexec.interactive import Interactive, not_found
from sqlexec.plan import check_fit
from sqlexec.statement import GrantNeeded, Job, Limits, Outcome, PageEnd, Result, Statement
from sqlexec.transaction import Names, Ran, Transaction
from storage.connection import sqlite_version

FIRST = "first"
SEED_BYTES = 8
DIGEST_DIGITS = 24
PARTS = 5


@dataclass(frozen=True, slots=True)
class Page:
    """The beginning of a page. `state` is empty before the first one was read."""

    rows_passed: int
    at_ms: int
    seed: str
    statement: str
    state: str = ""

    @classmethod
    def first(cls, statement: str, at_ms: int, seed: str | None = None) -> "Page":
        return cls(0, at_ms, seed or token_hex(SEED_BYTES), statement)

    @classmethod
    def of_text(cls, text: str, statement: str) -> "Page":
        """Return the page that `next` of another one named; BadEvent if it is of no such one."""
        try:
            passed, at_ms, seed, of_statement, state = text.split(".")
            page = cls(int(passed, 16), int(at_ms, 16), seed, of_statement, state)
        except ValueError as error:
            raise BadEvent(
                f"{text!r} is not a page: it is {FIRST!r}, or `next` of the reply with the page"
                " before",
                field="page",
            ) from error
        if of_statement != statement:
            raise BadEvent(
                "the page is of another statement, other parameters or another database: send the"
                " same ones for all pages",
                field="page",
            )
        return page

    @property
    def text(self) -> str:
        return f"{self.rows_passed:x}.{self.at_ms:x}.{self.seed}.{self.statement}.{self.state}"

    @property
    def seed_bytes(self) -> bytes:
        return self.seed.encode()

    def behind(self, rows: int, state: str) -> "Page":
        """Return the page that follows so many rows of this one."""
        return replace(self, rows_passed=self.rows_passed + rows, state=state)

    def check(self, state: str) -> None:
        """DatabaseChanged if the pages before were of another state."""
        if self.state not in ("", state):
            raise DatabaseChanged(
                f"the database has changed since the first {self.rows_passed:,} rows of this result"
                " were read, so the rows behind them are no longer known: read it again from its"
                " first page, or read it in parts by a key (WHERE id > ? ORDER BY id LIMIT ?)",
                rows=self.rows_passed,
            )


def page_of(text: str, statement: str, at_ms: int, seed: str | None = None) -> Page:
    """Return the page that a request asks for; BadEvent. The seed is for the first one."""
    return Page.first(statement, at_ms, seed) if text == FIRST else Page.of_text(text, statement)


def state_of(live: Transaction) -> str:
    """Return the name of the state that a transaction sees; empty where it may change it.

    Another version of SQLite names it otherwise: it may read one statement in another order.
    """
    state = live.state()
    return state and digest(state, sqlite_version())


def check_state(wanted: str | None, state: str) -> None:
    """DatabaseChanged if a database is in another state than the one that is wanted."""
    if wanted not in (None, digest(state, sqlite_version())):
        raise DatabaseChanged("the database has changed since: compare it again, then delete it")


def digest(*parts: object) -> str:
    return sha256(repr(parts).encode()).hexdigest()[:DIGEST_DIGITS]


def limits_of(limits: Limits, page: Page) -> Limits:
    """Return limits at which a page ends, where another result is refused."""
    return replace(limits, rows_passed=page.rows_passed, is_page=True)


def end_of(page: Page, ran: Ran, state: str) -> PageEnd:
    """Return where the next page begins. BadEvent if the rows come in no order that stays."""
    if not ran.truncated:
        return PageEnd(None, state)
    if ran.is_unordered:
        raise BadEvent(
            "the rows of a PRAGMA come in an order of each connection's own, so they have no pages:"
            " read them from its table-valued function, with ORDER BY",
            field="page",
        )
    return PageEnd(page.behind(ran.rows_count, state).text, state)


def read_page(
    interactive: Interactive, job: Job, text: str, *, now: Callable[[], float], deadline_s: float
) -> Outcome:
    """Read the page of a statement; ReadOnly if it writes, DatabaseChanged."""
    (statement,) = job.statements
    given = _Given(statement)
    page = page_of(text, digest(interactive.name, statement.sql, given.values), int(now() * 1000))
    if not interactive.exists():
        raise not_found(interactive.name)
    if job.freshness.at_least:
        interactive.reach(job.freshness, deadline_s)
    try:
        with interactive.reading(deadline_s, rehearses=False, at=job.freshness.at) as live:
            state = state_of(live)
            page.check(state)
            ran = live.run(
                statement.sql,
                given,
                limits_of(job.limits, page),
                job.encoder.rows,
                at_ms=page.at_ms,
                seed=page.seed_bytes,
            )
    except GrantNeeded as needed:
        raise ReadOnly("the statement writes, and pages are read: leave `page` out") from needed
    end = end_of(page, ran, state)
    columns = tuple(name for name, _type in ran.columns)
    result = Result(columns, ran.rows, ran.rows_count, 0, None, ran.truncated, end)
    return Outcome([result], wrote=False, position=interactive.position)


class _Given:
    """The values of a statement of the contract, in a list or by name."""

    def __init__(self, statement: Statement) -> None:
        self._statement = statement
        values = statement.parameters or ()
        is_named = isinstance(values, Mapping)
        self.in_order: Sequence[Any] | None = None if is_named else list(values)
        self.values = sorted(values.items()) if isinstance(values, Mapping) else self.in_order

    def bound(self, names: Names) -> Statement:
        check_fit(self._statement.parameters or (), tuple(names), "")
        return self._statement
