"""Pages of a statement of a stream, which are ours and not the protocol's.

A statement that asks for a page, and reads, gets as many rows as fit, and the name of the next one.
In a transaction every page is a statement of its log, so all of them are compared at the commit;
outside of one they are of one state of the database, as those of a request of the contract are.
"""

from hrana.protocol import Stmt
from sqlatch.kernel.errors import BadEvent
from sqlexec.pages import Page, digest, end_of, limits_of, page_of, state_of
from sqlexec.statement import EncodeRows, Kind, Limits
from sqlexec.transaction import Arguments, Ran, Transaction

IN_TRANSACTION = "t-"


def page_of_stmt(
    sql: str, stmt: Stmt, live: Transaction, *, at_ms: int, seed: str | None = None
) -> Page | None:
    """Return the page that a statement asks for; None if it asks for none, or writes."""
    if stmt.page is None or stmt.want_rows is False or live.plan(sql).kind is not Kind.READ:
        return None
    named = [(arg.name, arg.value) for arg in stmt.named_args or ()]
    return page_of(stmt.page, digest(sql, stmt.args or [], named), at_ms, seed)


def run_page(
    live: Transaction,
    sql: str,
    arguments: Arguments,
    page: Page,
    *,
    limits: Limits,
    encode_rows: EncodeRows,
) -> Ran:
    """Run a statement for a page of its rows."""
    return live.run(
        sql,
        arguments,
        limits_of(limits, page),
        encode_rows,
        at_ms=page.at_ms,
        seed=page.seed_bytes,
    )


def in_transaction(id_: str) -> str:
    """Return what stands for the state in the pages of a transaction."""
    return f"{IN_TRANSACTION}{digest(id_)}"


def check_in_transaction(page: Page, id_: str) -> None:
    """BadEvent for a page whose first one was not read in this transaction."""
    if page.rows_passed and page.state != in_transaction(id_):
        raise _of_another_transaction()


def check_alone(page: Page, live: Transaction) -> None:
    """DatabaseChanged if the pages before are of another state; BadEvent if of a transaction."""
    if page.state.startswith(IN_TRANSACTION) or (page.rows_passed and not page.state):
        raise _of_another_transaction()
    if page.state:
        page.check(state_of(live))


def next_alone(page: Page, ran: Ran, live: Transaction) -> str | None:
    """Return the name of the page behind one outside of a transaction."""
    return end_of(page, ran, state_of(live)).next if ran.truncated else None


def _of_another_transaction() -> BadEvent:
    return BadEvent(
        "the rows before this page were read in another transaction, or outside of this one: read"
        " the result from its first page",
        field="page",
    )
