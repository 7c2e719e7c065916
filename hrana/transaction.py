"""A transaction of a stream: what came before is run again, what is new is run and logged."""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from typing import TypeVar

from hrana import values
from hrana.answers import Answers
from hrana.control import control_of
from hrana.database import Database
from hrana.outcomes import Known, Outcome, empty_outcome, in_one_order, outcome_of, without_rows
from hrana.pages import check_in_transaction, in_transaction, page_of_stmt, run_page
from hrana.parameters import Arguments
from hrana.protocol import Stmt
from hrana.refusals import StatementRefused, overtaken, refusal_of
from hrana.room import Room
from hrana.state import LOG_BYTES_MAX, STATEMENTS_MAX, Entry, Log, digest_of
from sqlatch.kernel.errors import ReadOnly, SqlatchError, Timeout
from sqlexec.pages import end_of, state_of
from sqlexec.plan import Description, Plan
from sqlexec.statement import EncodeRows, GrantNeeded, Limits
from sqlexec.transaction import Transaction
from storage.translate import NeedsMemory, Overtaken

T = TypeVar("T")


class Replay:
    """One transaction, in one request: live at the database from the first statement that needs it.

    `answers` know whether the request has committed before. `carried` is the id of a transaction
    that began in an earlier request. `room` is what the answer has for what is new.
    """

    def __init__(
        self,
        log: Log,
        database: Database,
        answers: Answers,
        *,
        carried: str | None,
        foreign_keys: bool,
        room: Room,
    ) -> None:
        self.log = log
        self.carried = carried
        self._database = database
        self._answers = answers
        self._foreign_keys = foreign_keys
        self._room = room
        self._stay = ExitStack()
        self._live: Transaction | None = None
        self._continues = bool(log.entries)

    def execute(self, sql: str, stmt: Stmt) -> Outcome:
        """Run a statement and log it; StatementRefused if it fails.

        One that fails by itself is logged too. Any other failure leaves the log as it was.
        """
        self._refuse_if_broken()
        if self._continues and self.log.is_full:
            raise StatementRefused(
                f"the transaction has reached its limit of {STATEMENTS_MAX:,} statements or"
                f" {LOG_BYTES_MAX:,} bytes: commit it, or send BEGIN, the statements and COMMIT in"
                " one request, which has no such limit",
                "TRANSACTION_TOO_LARGE",
            )
        at_ms = int(self._database.now() * 1000)
        index = len(self.log.entries)
        wrote = self.log.wrote
        try:
            run = partial(self._run_new, sql, stmt, at_ms=at_ms, index=index)
            outcome, ran = self._as_it_may(run)
        except StatementRefused as refusal:
            if refusal.recurs:
                self.log.append(
                    Entry.of(sql, stmt, at_ms=at_ms, digest=digest_of(refusal.known_by()))
                )
            else:
                self.log.wrote = wrote
            raise
        self.log.append(
            Entry.of(
                sql, stmt, at_ms=at_ms, digest=ran.digest, page=ran.page, rows=ran.rows_count
            )
        )  # fmt: skip
        return outcome

    def describe(self, sql: str) -> tuple[Plan, Description]:
        """Describe a statement by the schema that this transaction sees."""
        return self._as_it_may(lambda live: (live.plan(sql), live.describe(sql, has_run=False)))

    def commit(self, commit: Callable[[Transaction], None]) -> None:
        """Call `commit` with the transaction, run again, if there is anything to commit."""
        self._refuse_if_broken()
        if not self.log.wrote:
            self.leave()
            return
        try:
            while not self._has_committed(commit):
                pass
        except SqlatchError as error:
            self.leave(error)
            raise refusal_of(error) from error
        self.leave()

    def _has_committed(self, commit: Callable[[Transaction], None]) -> bool:
        """Commit. Return False if another commit was first: on the state behind that, run again."""
        if not self._entered().commits:
            # A transaction that was seen to fail in memory makes no database.
            self.leave()
            self._enter(commits=True)
        try:
            commit(self._entered())
        except Overtaken as error:
            self.leave(error)
            with suppress(Timeout):
                self._database.check_deadline()
                return False
            raise overtaken(error) from error
        return True

    def look_up(self) -> None:
        """See that no copy of this request or of an earlier one has committed, its answer lost."""
        if self._live is None:
            with self._database.transaction(
                write=False, commits=False, read_only=True, foreign_keys=True
            ) as live:
                self._answers.look_up(live, self.carried)

    @property
    def is_over(self) -> bool:
        """True if SQLite has ended the transaction by itself, as ON CONFLICT ROLLBACK does."""
        return self._live is not None and not self._live.is_open

    def leave(self, error: Exception | None = None) -> None:
        """Leave the database: what is not committed is rolled back there, and stays in the log."""
        stay, self._stay, self._live = self._stay, ExitStack(), None
        stay.__exit__(type(error) if error else None, error, None)

    def suspend(self) -> None:
        """Leave the database until the next request, which runs the log again.

        A transaction that began in this one may be too large for that.
        """
        self.leave()
        if not self._continues and self.log.is_past_limit:
            self.log.break_off(
                f"the transaction was left open with more than {STATEMENTS_MAX:,} statements or"
                f" {LOG_BYTES_MAX:,} bytes and is undone: roll back, and send it again with its"
                " COMMIT in the same request, or in smaller transactions",
                "TRANSACTION_TOO_LARGE",
            )

    def _refuse_if_broken(self) -> None:
        if self.log.broken:
            raise StatementRefused(self.log.broken, self.log.broken_code)

    def _as_it_may(self, action: Callable[[Transaction], T]) -> T:
        """Do it; once more if it has run short of memory and some could be freed."""
        try:
            try:
                return self._reading_or_writing(action)
            except NeedsMemory:
                self.leave()
                if not self._database.free_memory():
                    raise
                return self._reading_or_writing(action)
        except StatementRefused as refusal:
            if not refusal.recurs:
                self.leave()
            raise
        except SqlatchError as error:
            said = refusal_of(error)
            if not said.recurs:
                self.leave(error)
            raise said from error

    def _reading_or_writing(self, action: Callable[[Transaction], T]) -> T:
        """Do it in a transaction that reads, or if it turns out to write, in one that does."""
        try:
            return action(self._entered())
        except GrantNeeded:
            if self.log.read_only:
                raise ReadOnly.of_statement() from None
            # The plan has said so, or SQLite at the last moment.
            self.log.wrote = True
            self.leave()
            return action(self._entered())

    def _entered(self) -> Transaction:
        if self._live is None:
            self._enter()
        assert self._live is not None
        return self._live

    def _enter(self, *, commits: bool = False) -> None:
        self._live = live = self._stay.enter_context(
            self._database.transaction(
                write=self.log.wrote,
                commits=commits,
                read_only=self.log.read_only,
                foreign_keys=self._foreign_keys,
            )
        )
        self._answers.look_up(live, self.carried)
        live.last_insert_rowid = self.log.rowid
        state = "" if self.log.wrote else state_of(live)
        is_as_before = bool(state) and state == self.log.state
        for index, entry in enumerate(self.log.entries):
            if is_as_before and not _leaves_something(entry.sql, live):
                continue
            if self._again(live, index, entry) != entry.digest:
                self.leave()
                self.log.broken = (
                    "database is locked: another transaction has changed what this one has read;"
                    " roll back and begin again"
                )
                raise StatementRefused(self.log.broken, "SQLITE_BUSY", recurs=False)
        self.log.state = state

    def _again(self, live: Transaction, index: int, entry: Entry) -> str:
        rows = entry.rows if entry.page is not None else None
        limits = Limits(self._database.rows_max, _NO_LIMIT, timeout_s=0, truncate_rows=rows)
        try:
            return self._run(
                entry.sql, entry.stmt, live, limits, _RUN_AGAIN, at_ms=entry.at_ms, index=index
            )[1].digest
        except StatementRefused as refusal:
            return digest_of(refusal.known_by())
        except SqlatchError as error:
            said = refusal_of(error)
            if said.recurs:
                return digest_of(said.known_by())
            raise

    def _run_new(
        self, sql: str, stmt: Stmt, live: Transaction, *, at_ms: int, index: int
    ) -> tuple[Outcome, Known]:
        room = self._room
        limits = room.limits(self._database.rows_max, is_page=stmt.page is not None)
        outcome, ran = self._run(
            sql, stmt, live, limits, room.encode_rows, at_ms=at_ms, index=index
        )
        if stmt.want_rows is False:
            outcome = without_rows(outcome)
        room.take(outcome, ran.rows_bytes)
        return outcome, ran

    def _run(
        self,
        sql: str,
        stmt: Stmt,
        live: Transaction,
        limits: Limits,
        encode_rows: EncodeRows,
        *,
        at_ms: int,
        index: int,
    ) -> tuple[Outcome, Known]:
        """Run a statement; return its outcome, and what the log keeps of it."""
        control = control_of(sql)
        if control is not None:
            live.savepoint(control.verb.value, control.name)
            outcome = empty_outcome()
            return outcome, Known(digest_of(outcome))
        seed = self.log.seed_of(index)
        page = page_of_stmt(sql, stmt, live, at_ms=at_ms, seed=seed.decode())
        arguments = Arguments(sql, stmt)
        try:
            if page is None:
                ran = live.run(sql, arguments, limits, encode_rows, at_ms=at_ms, seed=seed)
            else:
                check_in_transaction(page, self.log.id)
                ran = run_page(live, sql, arguments, page, limits=limits, encode_rows=encode_rows)
        finally:
            self.log.wrote |= live.wrote
        outcome = outcome_of(ran)
        if page is not None:
            outcome["page"] = end_of(page, ran, in_transaction(self.log.id)).next
        digest = digest_of(in_one_order(outcome) if ran.is_unordered else outcome)
        return outcome, Known(digest, page.text if page else None, ran.rows_count, ran.rows_bytes)


def _leaves_something(sql: str, live: Transaction) -> bool:
    """Return whether a statement that read left something to its transaction, as a savepoint is.

    A PRAGMA may have set what holds until the end of the transaction.
    """
    return control_of(sql) is not None or live.plan(sql).inspects


_NO_LIMIT = 2**62
_RUN_AGAIN = partial(values.rows_out, in_text=False)
"""The limits of a replay: an answer that was given once may be made again."""
