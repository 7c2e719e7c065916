"""A stream within one HTTP request: its requests answered one by one."""

from typing import Any

from pydantic_core import from_json, to_json

from hrana import values
from hrana.control import Control, Verb, control_of, is_empty
from hrana.parameters import names_of
from hrana.protocol import Stmt
from hrana.refusals import StatementRefused, refused
from hrana.script import statements
from hrana.state import Log, State
from hrana.transaction import CommittedBefore, Outcome, Place, Replay, empty_outcome
from sqlatch.errors import SqlatchError
from sqlexec.plan import EMPTY
from sqlexec.statement import Kind, Once, Row

TEXTS_CHARACTERS_MAX = 1_000_000
"""Of all that a stream stores, which travels in its baton or lies on the shelf."""

NO_TRANSACTION = "no transaction is active"
KEY_PREFIX = "stream\t"
"""Of the idempotency keys of streams: a caller's own cannot hold the tab."""


class Stream:
    """The state of a stream, and what a request does to it.

    `request_name` is what this request is known by, and would be if it came again, if it is
    `known_again`; else only a transaction that began in an earlier one is. `fingerprint` is that of
    its body.
    """

    def __init__(
        self,
        state: State,
        place: Place,
        *,
        writes: bool,
        request_name: str,
        known_again: bool,
        fingerprint: bytes,
        bytes_max: int,
        in_text: bool,
    ) -> None:
        self.state = state
        self.statements = 0
        self._place = place
        self._writes = writes
        self._request_name = request_name
        self._known_again = known_again
        self._fingerprint = fingerprint
        self._bytes_left = bytes_max
        self._in_text = in_text
        self._begun = 0
        self._open: Replay | None = None
        self._said: list[Outcome | list[str]] = []
        self._kept: list[Outcome | list[str]] = []
        if state.log is not None:
            self._open = self._replay(state.log, once=self._once(state.log.id))

    @property
    def is_autocommit(self) -> bool:
        return self._open is None

    def sql(self, sql: str | None, sql_id: int | None) -> str:
        """The text that is meant; there is exactly one of the two."""
        if sql is not None:
            return sql
        assert sql_id is not None
        if sql_id not in self.state.texts:
            # One that was refused when it came to be stored.
            raise StatementRefused(f"no text is stored under sql_id {sql_id}", "SQL_NOT_FOUND")
        return self.state.texts[sql_id]

    def store(self, sql_id: int, sql: str) -> None:
        """Remember a text under a number; StatementRefused if it is too much."""
        if len(sql) + sum(map(len, self.state.texts.values())) > TEXTS_CHARACTERS_MAX:
            raise StatementRefused(
                f"the stream stores {TEXTS_CHARACTERS_MAX} characters of SQL at most",
                "SQL_STORE_TOO_LARGE",
            )
        self.state.texts[sql_id] = sql

    def execute(self, stmt: Stmt) -> Outcome:
        """Run one statement; StatementRefused if it fails."""
        sql = self.sql(stmt.sql, stmt.sql_id)
        self.statements += 1
        before = self._bytes_left
        try:
            outcome = self._outcome(sql, stmt)
        except StatementRefused:
            self._bytes_left = before
            raise
        if stmt.want_rows is False:
            self._bytes_left = before
            return {**outcome, "rows": []}
        return outcome

    def sequence(self, script: str) -> None:
        """Run a script's statements up to the first that fails."""
        for sql in statements(script):
            if not is_empty(sql):
                self.execute(Stmt(sql=sql, want_rows=False))

    def describe(self, sql: str) -> Outcome:
        """What a statement takes and gives, without running it."""
        if control_of(sql) is not None:
            return {"params": [], "cols": [], "is_explain": False, "is_readonly": True}
        replay = self._open or self._replay(Log(""), once=None)
        try:
            plan, description = replay.describe(sql)
        finally:
            if replay is not self._open:
                replay.leave()
        return {
            "params": [{"name": name} for name in names_of(sql, plan.names)],
            "cols": [{"name": name, "decltype": kind} for name, kind in description.columns],
            "is_explain": description.is_explain,
            "is_readonly": plan.kind is Kind.READ,
        }

    def end(self) -> None:
        """The request is over: nothing stays at the database."""
        if self._open is not None:
            self._open.suspend()

    def _outcome(self, sql: str, stmt: Stmt) -> Outcome:
        """What a statement gives, from the kept answer where the request has come before."""
        if not self._kept:
            try:
                return self._noted(sql, stmt)
            except CommittedBefore as before:
                # What of it was said before it needed the database was said again.
                self._kept = from_json(before.kept)[len(self._said) :]
        said = self._kept.pop(0)
        if not self._kept:
            self._said = []
            self._transaction_is_over()
        if isinstance(said, list):
            raise StatementRefused(*said)
        return said

    def _noted(self, sql: str, stmt: Stmt) -> Outcome:
        """Run it; what was said in a transaction is noted, for it is kept with its commit."""
        try:
            outcome = self._run(sql, stmt)
        except StatementRefused as refusal:
            self._said.append([refusal.message, refusal.code])
            raise
        else:
            self._said.append(outcome)
            return outcome
        finally:
            if self._open is None:
                self._said = []

    def _run(self, sql: str, stmt: Stmt) -> Outcome:
        control = control_of(sql)
        if control is not None:
            return self._control(control, sql, stmt)
        if is_empty(sql):
            raise StatementRefused(EMPTY, "SQL_NO_STATEMENT")
        if self._open is None:
            return self._alone(sql, stmt)
        return self._in_transaction(self._open, sql, stmt)

    def _in_transaction(self, replay: Replay, sql: str, stmt: Stmt) -> Outcome:
        try:
            return replay.execute(sql, stmt, self._bytes_left)
        finally:
            if replay.is_over:
                replay.leave()
                self._transaction_is_over()

    def _alone(self, sql: str, stmt: Stmt) -> Outcome:
        """A statement outside a transaction is one by itself."""
        replay = self._begun_replay()
        try:
            if self._is_vacuum(replay, sql):
                return self._vacuum(replay, sql)
            outcome = replay.execute(sql, stmt, self._bytes_left)
            if not replay.is_over:
                replay.commit(lambda: to_json([outcome]).decode())
                self.state.rowid = replay.committed_rowid
            return outcome
        finally:
            replay.leave()

    def _is_vacuum(self, replay: Replay, sql: str) -> bool:
        # Only what may be one is looked at beforehand: any other is looked at as it is run.
        return "VACUUM" in sql.upper() and replay.describe(sql)[0].kind is Kind.VACUUM

    def _vacuum(self, replay: Replay, sql: str) -> Outcome:
        replay.leave()
        if not self._writes:
            raise StatementRefused(
                "VACUUM writes, and only reads are allowed here", "SQLITE_READONLY"
            )
        try:
            self._place.vacuum(sql)
        except SqlatchError as error:
            raise refused(error) from error
        return empty_outcome()

    def _control(self, control: Control, sql: str, stmt: Stmt) -> Outcome:
        verb = control.verb
        if verb is Verb.FOREIGN_KEYS:
            # Within a transaction SQLite lets it pass and does nothing.
            if self._open is None:
                self.state.foreign_keys = control.flag
        elif verb is Verb.BEGIN:
            self._begin(read_only=control.flag)
        elif self._open is None and verb is not Verb.SAVEPOINT:
            raise _no_transaction(control)
        elif verb is Verb.COMMIT:
            self._commit()
        elif verb is Verb.ROLLBACK:
            self._rollback()
        else:
            self._savepoint(control, sql, stmt)
        return empty_outcome()

    def _begin(self, *, read_only: bool) -> None:
        if self._open is not None:
            raise StatementRefused(
                "cannot start a transaction within a transaction", "SQLITE_ERROR"
            )
        self._said = []
        self._open = self._begun_replay()
        self._open.log.read_only |= read_only
        self.state.log = self._open.log

    def _commit(self) -> None:
        assert self._open is not None
        replay = self._open
        said = [*self._said, empty_outcome()]
        replay.commit(lambda: to_json(said).decode())
        self.state.rowid = replay.committed_rowid
        self._transaction_is_over()

    def _rollback(self) -> None:
        assert self._open is not None
        self._open.leave()
        self._transaction_is_over()

    def _transaction_is_over(self) -> None:
        self._open = None
        self.state.log = None

    def _savepoint(self, control: Control, sql: str, stmt: Stmt) -> None:
        if self._open is None:
            self._begin(read_only=False)
            assert self._open is not None
            self._open.log.by_savepoint = True
        log = self._open.log
        name = control.name.lower()
        place = max((at for at, other in enumerate(log.savepoints) if other == name), default=-1)
        if control.verb is Verb.RELEASE and place == 0 and log.by_savepoint:
            self._commit()
            return
        self._in_transaction(self._open, sql, stmt)
        if control.verb is Verb.SAVEPOINT:
            log.savepoints.append(name)
        elif control.verb is Verb.RELEASE:
            del log.savepoints[place:]
        else:
            del log.savepoints[place + 1 :]

    def _begun_replay(self) -> Replay:
        name = f"{self._request_name}:{self._begun}"
        self._begun += 1
        log = Log(name, read_only=not self._writes, rowid=self.state.rowid)
        return self._replay(log, once=self._once(name) if self._known_again else None)

    def _once(self, name: str) -> Once:
        return Once(KEY_PREFIX + name, self._fingerprint, lambda _results: "")

    def _replay(self, log: Log, *, once: Once | None) -> Replay:
        return Replay(
            log,
            self._place,
            once=once,
            foreign_keys=self.state.foreign_keys,
            rows_out=self._rows_out,
        )

    def _rows_out(self, columns: tuple[str, ...], rows: list[Row]) -> tuple[list[Any], int]:
        sent, size_bytes = values.rows_out(columns, rows, in_text=self._in_text)
        self._bytes_left -= size_bytes
        return sent, size_bytes


def _no_transaction(control: Control) -> StatementRefused:
    if control.verb in {Verb.RELEASE, Verb.ROLLBACK_TO}:
        return StatementRefused(f"no such savepoint: {control.name}", "SQLITE_ERROR")
    what = "commit" if control.verb is Verb.COMMIT else "rollback"
    return StatementRefused(f"cannot {what} - {NO_TRANSACTION}", "SQLITE_ERROR")
