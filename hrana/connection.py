"""The connection of a stream: each statement runs alone, or in the transaction that is open."""

from uuid import uuid4

from hrana.answers import Answers, Index
from hrana.control import Control, Verb, control_of, is_empty
from hrana.database import Database
from hrana.outcomes import Outcome, empty_outcome, outcome_of, without_rows
from hrana.pages import check_alone, next_alone, page_of_stmt, run_page
from hrana.parameters import Arguments
from hrana.protocol import Stmt
from hrana.refusals import StatementRefused, refusal_of
from hrana.room import Room
from hrana.state import Log, State
from hrana.transaction import Replay
from sqlatch.kernel.errors import ReadOnly, SqlatchError, Timeout
from sqlexec.plan import Description, Plan
from sqlexec.statement import Kind
from sqlexec.transaction import Transaction
from storage.translate import NoStatement

NO_TRANSACTION = "no transaction is active"

SAVEPOINTS_CHARACTERS_MAX = 10_000
"""Of the names of open savepoints, which travel in the baton."""


class Connection:
    """SQLite's own states, autocommit and a transaction, as the stream's `state` carries them on.

    `answers` keep the record of each commit, `room` counts what is told. Without `writes` all
    transactions are read-only.
    """

    def __init__(
        self, state: State, database: Database, answers: Answers, *, writes: bool, room: Room
    ) -> None:
        self._state = state
        self._database = database
        self._answers = answers
        self._writes = writes
        self._room = room
        self._open: Replay | None = None
        if state.log is not None:
            self._open = self._replay(state.log, carried=True)

    @property
    def is_autocommit(self) -> bool:
        return self._open is None

    def run(self, index: Index, sql: str, stmt: Stmt) -> Outcome:
        """Run one statement; StatementRefused if it fails. A commit has the place `index`."""
        control = control_of(sql)
        if self._open is None and control is None:
            # The deadline is checked where the database is entered.
            return self._alone(index, sql, stmt)
        if control is None or control.verb is not Verb.ROLLBACK or self._open is None:
            self.check_deadline()
        if control is not None:
            return self._control(index, control, sql, stmt)
        assert self._open is not None
        if is_empty(sql):
            raise refusal_of(NoStatement())
        return self._in_transaction(self._open, sql, stmt)

    def describe(self, sql: str) -> tuple[Plan, Description]:
        """Describe a statement by the schema that this connection sees."""
        self.check_deadline()
        if self._open is not None:
            return self._open.describe(sql)

        def describe(live: Transaction) -> tuple[Plan, Description]:
            self._answers.look_up(live, None)
            return live.plan(sql), live.describe(sql, has_run=False)

        try:
            return self._database.run(describe, sql="", foreign_keys=self._state.foreign_keys)
        except SqlatchError as error:
            raise refusal_of(error) from error

    def check_deadline(self) -> None:
        """StatementRefused if the deadline of the request is past."""
        try:
            self._database.check_deadline()
        except SqlatchError as error:
            raise refusal_of(error) from error

    def look_up(self) -> None:
        """See that no request has committed the transaction that is open."""
        if self._open is not None:
            self._open.look_up()

    def leave(self) -> None:
        """Leave the database; a transaction that is open stays in the stream's state."""
        if self._open is not None:
            self._open.suspend()

    def _in_transaction(self, replay: Replay, sql: str, stmt: Stmt) -> Outcome:
        try:
            return replay.execute(sql, stmt)
        finally:
            if replay.is_over:
                replay.leave()
                self._transaction_is_over()

    def _alone(self, index: Index, sql: str, stmt: Stmt) -> Outcome:
        """Run a statement outside a transaction: it is one by itself."""
        # Only a text that may be VACUUM is looked at beforehand: any other is as it is run.
        if "VACUUM" in sql.upper() and self.describe(sql)[0].kind is Kind.VACUUM:
            return self._vacuum(sql)
        arguments = Arguments(sql, stmt)
        at_ms, seed = int(self._database.now() * 1000), uuid4().bytes
        committed: list[Outcome] = []

        def run(live: Transaction) -> Outcome:
            if committed:
                # Leaving the transaction has failed; what it did is done.
                return committed[0]
            self._answers.look_up(live, None)
            is_page = stmt.page is not None
            limits = self._room.limits(self._database.rows_max, is_page=is_page)
            encode_rows = self._room.encode_rows
            live.last_insert_rowid = self._state.rowid
            page = page_of_stmt(sql, stmt, live, at_ms=at_ms)
            if page is None:
                ran = live.run(sql, arguments, limits, encode_rows, at_ms=at_ms, seed=seed)
                outcome = outcome_of(ran)
            else:
                check_alone(page, live)
                ran = run_page(live, sql, arguments, page, limits=limits, encode_rows=encode_rows)
                outcome = {**outcome_of(ran), "page": next_alone(page, ran, live)}
            if stmt.want_rows is False:
                outcome = without_rows(outcome)
            self._room.take(outcome, ran.rows_bytes)
            if live.wrote and live.commits:
                record = self._answers.record(
                    index, outcome, ran.last_insert_rowid, self._state.foreign_keys
                )
                live.commit(*record)
                committed.append(outcome)
                self._state.rowid = ran.last_insert_rowid
            return outcome

        try:
            return self._database.run(run, sql=sql, foreign_keys=self._state.foreign_keys)
        except SqlatchError as error:
            raise refusal_of(error) from error
        finally:
            if committed:
                self._answers.committed(index)

    def _vacuum(self, sql: str) -> Outcome:
        if not self._writes:
            raise refusal_of(ReadOnly.of_statement())
        try:
            self._database.vacuum(sql)
        except SqlatchError as error:
            raise refusal_of(error) from error
        self._answers.has_committed = True
        return empty_outcome()

    def _control(self, index: Index, control: Control, sql: str, stmt: Stmt) -> Outcome:
        verb = control.verb
        if verb is Verb.FOREIGN_KEYS:
            # Within a transaction SQLite lets it pass and does nothing.
            if self._open is None:
                self._state.foreign_keys = control.flag
        elif verb is Verb.BEGIN:
            self._begin(index, read_only=control.flag)
        elif verb is Verb.SAVEPOINT and self._open is None:
            self._begin_by_savepoint(index, control, sql, stmt)
        elif self._open is None:
            raise _no_transaction(control)
        elif verb is Verb.COMMIT:
            self._commit_open(self._open, index)
        elif verb is Verb.ROLLBACK:
            self._rollback(self._open)
        else:
            self._savepoint(index, control, sql, stmt)
        return empty_outcome()

    def _begin(self, index: Index, *, read_only: bool) -> Replay:
        if self._open is not None:
            raise StatementRefused(
                "cannot start a transaction within a transaction", "SQLITE_ERROR"
            )
        self._open = self._begun(index)
        self._open.log.read_only |= read_only
        self._state.log = self._open.log
        return self._open

    def _begin_by_savepoint(self, index: Index, control: Control, sql: str, stmt: Stmt) -> None:
        """A SAVEPOINT outside a transaction begins one, unless it is refused."""
        replay = self._begin(index, read_only=False)
        replay.log.by_savepoint = True
        try:
            self._savepoint(index, control, sql, stmt)
        except StatementRefused:
            replay.leave()
            self._transaction_is_over()
            raise

    def _commit_open(self, replay: Replay, index: Index) -> None:
        def commit(live: Transaction) -> None:
            # Its record is an INSERT too, so the last rowid is read before.
            rowid = live.last_insert_rowid
            record = self._answers.record(
                index, empty_outcome(), rowid, self._state.foreign_keys, carried=replay.carried
            )
            live.commit(*record)
            self._answers.committed(index)
            self._state.rowid = rowid

        replay.commit(commit)
        self._transaction_is_over()

    def _rollback(self, replay: Replay) -> None:
        if replay.carried is not None and replay.log.wrote and not replay.log.broken:
            # A COMMIT whose answer was lost may have been made: nothing can roll that back.
            try:
                replay.look_up()
            except SqlatchError as error:
                # Past the deadline the look-up with which this request began has to do.
                if not (isinstance(error, Timeout) and self._answers.has_looked_up):
                    raise refusal_of(error) from error
        replay.leave()
        self._transaction_is_over()

    def _transaction_is_over(self) -> None:
        self._open = None
        self._state.log = None

    def _savepoint(self, index: Index, control: Control, sql: str, stmt: Stmt) -> None:
        assert self._open is not None
        log = self._open.log
        name = control.name.lower()
        if control.verb is Verb.SAVEPOINT:
            characters = len(name) + sum(map(len, log.savepoints))
            if characters > SAVEPOINTS_CHARACTERS_MAX:
                raise StatementRefused(
                    f"the names of the open savepoints would have {characters:,} characters, the"
                    f" limit is {SAVEPOINTS_CHARACTERS_MAX:,}: release some, or name them shorter",
                    "TRANSACTION_TOO_LARGE",
                )
        place = max((at for at, other in enumerate(log.savepoints) if other == name), default=-1)
        if control.verb is Verb.RELEASE and place == 0 and log.by_savepoint:
            self._commit_open(self._open, index)
            return
        self._in_transaction(self._open, sql, stmt)
        if control.verb is Verb.SAVEPOINT:
            log.savepoints.append(name)
        elif control.verb is Verb.RELEASE:
            del log.savepoints[place:]
        else:
            del log.savepoints[place + 1 :]

    def _begun(self, index: Index) -> Replay:
        id_ = self._answers.transaction_id(index)
        return self._replay(Log(id_, read_only=not self._writes, rowid=self._state.rowid))

    def _replay(self, log: Log, *, carried: bool = False) -> Replay:
        return Replay(
            log,
            self._database,
            self._answers,
            carried=log.id if carried else None,
            foreign_keys=self._state.foreign_keys,
            room=self._room,
        )


def _no_transaction(control: Control) -> StatementRefused:
    if control.verb in {Verb.RELEASE, Verb.ROLLBACK_TO}:
        return StatementRefused(f"no such savepoint: {control.name}", "SQLITE_ERROR")
    what = "commit" if control.verb is Verb.COMMIT else "rollback"
    return StatementRefused(f"cannot {what} - {NO_TRANSACTION}", "SQLITE_ERROR")
