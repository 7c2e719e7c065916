"""A transaction of a stream: what came before is run again, what is new is run and logged."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import Any, Protocol, TypeVar

from pydantic_core import to_json

from hrana import values
from hrana.answers import Answers
from hrana.control import control_of
from hrana.parameters import Names, bind, names_of
from hrana.protocol import Stmt
from hrana.refusals import StatementRefused, refused
from hrana.room import Room
from hrana.state import LOG_BYTES_MAX, STATEMENTS_MAX, Entry, Log, digest_of
from sqlatch.kernel.errors import ReadOnly, SqlatchError
from sqlexec.plan import Description, Plan
from sqlexec.statement import EncodeRows, GrantNeeded, IdempotencyKey, Kind, Limits, Statement
from sqlexec.transaction import Transaction
from storage.translate import NeedsMemory

T = TypeVar("T")

Outcome = dict[str, Any]
"""A StmtResult of the protocol, as JSON."""


class Place(Protocol):
    """The database that a stream is at, for the time of one request."""

    rows_max: int

    def now(self) -> float: ...

    def check_deadline(self) -> None:
        """Timeout if the deadline of the request is past."""

    def transaction(
        self, *, write: bool, commits: bool, foreign_keys: bool
    ) -> AbstractContextManager[Transaction]:
        """A transaction that is rolled back at the end; one that writes holds the lease until then.

        Where there is no database yet, only one that `commits` makes it.
        """

    def vacuum(self, sql: str) -> None: ...

    def free_memory(self) -> bool:
        """Free what other requests would need; whether what ran short is worth another try."""


class Replay:
    """One transaction, in one request: live at the database from the first statement that needs it.

    `answers` know whether the request has committed before. `carried` is the id of a transaction
    that began in an earlier request. `room` is what the answer has for what is new.
    """

    def __init__(
        self,
        log: Log,
        place: Place,
        answers: Answers,
        *,
        carried: str | None,
        foreign_keys: bool,
        room: Room,
    ) -> None:
        self.log = log
        self.carried = carried
        self._place = place
        self._answers = answers
        self._foreign_keys = foreign_keys
        self._room = room
        self._stay = ExitStack()
        self._live: Transaction | None = None
        self._continues = bool(log.entries)
        self.committed_rowid = log.rowid

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
        at_ms = int(self._place.now() * 1000)
        index = len(self.log.entries)
        wrote = self.log.wrote
        try:
            run = partial(self._run_new, sql, stmt, at_ms=at_ms, index=index)
            outcome, digest = self._as_it_may(run)
        except StatementRefused as refusal:
            if refusal.comes_again:
                self._append(Entry.of(sql, stmt, at_ms=at_ms, digest=digest_of(refusal.known_by())))
            else:
                self.log.wrote = wrote
            raise
        self._append(Entry.of(sql, stmt, at_ms=at_ms, digest=digest))
        return _shown(stmt, outcome)

    def describe(self, sql: str) -> tuple[Plan, Description]:
        """Describe a statement by the schema that this transaction sees."""
        return self._as_it_may(lambda live: (live.plan(sql), live.describe(sql, has_run=False)))

    def commit(self, record: Callable[[int], tuple[IdempotencyKey, str] | None]) -> bool:
        """Commit; whether there was anything to commit.

        `record` makes what is kept with it, of the rowid that was inserted last.
        """
        self._refuse_if_broken()
        if not self.log.wrote:
            self.leave()
            return False
        # Its record is an INSERT too, so the stream's last one is looked up before.
        try:
            if not self._entered().commits:
                # What was seen to fail in memory makes no database.
                self.leave()
                self._enter(commits=True)
            assert self._live is not None
            self.committed_rowid = self._live.last_insert_rowid
            self._live.commit(*(record(self.committed_rowid) or ()))
        except SqlatchError as error:
            self.leave(error)
            raise refused(error) from error
        self.leave()
        return True

    def look_up(self) -> None:
        """See that no copy of this request or of an earlier one has committed, its answer lost."""
        if self._live is None:
            with self._place.transaction(write=False, commits=False, foreign_keys=True) as live:
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

    def _append(self, entry: Entry) -> None:
        self.log.append(entry)

    def _as_it_may(self, action: Callable[[Transaction], T]) -> T:
        """Do it; once more if it has run short of memory and some could be freed."""
        try:
            try:
                return self._reading_or_writing(action)
            except NeedsMemory:
                self.leave()
                if not self._place.free_memory():
                    raise
                return self._reading_or_writing(action)
        except StatementRefused as refusal:
            if not refusal.comes_again:
                self.leave()
            raise
        except SqlatchError as error:
            said = refused(error)
            if not said.comes_again:
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
            self._place.transaction(
                write=self.log.wrote, commits=commits, foreign_keys=self._foreign_keys
            )
        )
        self._answers.look_up(live, self.carried)
        live.last_insert_rowid = self.log.rowid
        for index, entry in enumerate(self.log.entries):
            if self._again(live, index, entry) != entry.digest:
                self.leave()
                self.log.broken = (
                    "database is locked: another transaction has changed what this one has read;"
                    " roll back and begin again"
                )
                raise StatementRefused(self.log.broken, "SQLITE_BUSY", comes_again=False)

    def _again(self, live: Transaction, index: int, entry: Entry) -> str:
        try:
            return self._run(
                entry.sql,
                entry.stmt,
                live,
                at_ms=entry.at_ms,
                index=index,
                limits=Limits(self._place.rows_max, _NO_LIMIT, timeout_s=0),
                encode_rows=_RUN_AGAIN,
            )[1]
        except StatementRefused as refusal:
            return digest_of(refusal.known_by())
        except SqlatchError as error:
            said = refused(error)
            if said.comes_again:
                return digest_of(said.known_by())
            raise

    def _run_new(
        self, sql: str, stmt: Stmt, live: Transaction, *, at_ms: int, index: int
    ) -> tuple[Outcome, str]:
        limits = self._room.limits(self._place.rows_max)
        ran = self._run(
            sql,
            stmt,
            live,
            at_ms=at_ms,
            index=index,
            limits=limits,
            encode_rows=self._room.encode_rows,
        )
        self._room.take(_shown(stmt, ran[0]))
        return ran

    def _run(
        self,
        sql: str,
        stmt: Stmt,
        live: Transaction,
        *,
        at_ms: int,
        index: int,
        limits: Limits,
        encode_rows: EncodeRows,
    ) -> tuple[Outcome, str]:
        """Run a statement; return its outcome, and the digest by which a replay compares it."""
        control = control_of(sql)
        if control is not None:
            live.savepoint(control.verb.value, control.name)
            outcome = empty_outcome()
            return outcome, digest_of(outcome)
        plan = live.plan(sql)
        statement = _bound(sql, plan.names, stmt)
        if plan.kind is not Kind.READ:
            if self.log.read_only:
                raise ReadOnly.of_statement()
            self.log.wrote = True
        result = live.execute(
            statement, limits, encode_rows, at_ms=at_ms, seed=self.log.seed_of(index)
        )
        columns: tuple[tuple[str, str | None], ...] = ()
        if result.columns:
            columns = live.describe(sql, has_run=not plan.inspects).columns
        rowid = live.last_insert_rowid
        outcome = {
            "cols": [{"name": name, "decltype": declared} for name, declared in columns],
            "rows": result.rows,
            "affected_row_count": result.rows_affected,
            "last_insert_rowid": str(rowid) if rowid else None,
        }
        if plan.inspects:
            # PRAGMA table_list has the order of a hash table, which is each connection's own.
            return outcome, digest_of({**outcome, "rows": sorted(result.rows, key=to_json)})
        return outcome, digest_of(outcome)


_NO_LIMIT = 2**62
_RUN_AGAIN = partial(values.rows_out, in_text=False)
"""The limits of a replay: an answer that was given once may be made again."""


def empty_outcome() -> Outcome:
    return {"cols": [], "rows": [], "affected_row_count": 0, "last_insert_rowid": None}


def _shown(stmt: Stmt, outcome: Outcome) -> Outcome:
    return {**outcome, "rows": []} if stmt.want_rows is False else outcome


def _bound(sql: str, names: Names, stmt: Stmt) -> Statement:
    if stmt.arg_sets is None:
        return Statement(sql, bind(names_of(sql, names) if stmt.named_args else names, stmt))
    if stmt.args or stmt.named_args:
        raise StatementRefused("give `args` or `arg_sets`, not both", "ARGS_INVALID")
    sets = [bind(names, Stmt(args=args)) for args in stmt.arg_sets]
    return Statement(sql, parameter_sets=sets)
