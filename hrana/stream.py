"""A stream within one HTTP request: its requests answered one by one."""

from hrana.answers import Answers, Index
from hrana.connection import Connection
from hrana.control import control_of, is_empty
from hrana.database import Database
from hrana.outcomes import Outcome
from hrana.parameters import names_of
from hrana.protocol import Stmt
from hrana.refusals import StatementRefused
from hrana.room import Room
from hrana.script import statements
from hrana.state import State
from sqlexec.statement import Kind

TEXTS_CHARACTERS_MAX = 1_000_000
"""Of all that a stream stores, which is in its baton or in a file."""


class Stream:
    """The state of a stream, and what a request does to it.

    What the request has answered before it was sent again, its `answers` give.
    """

    def __init__(
        self,
        state: State,
        database: Database,
        answers: Answers,
        *,
        writes: bool,
        room: Room,
    ) -> None:
        self.state = state
        self.statements = 0
        self.rows = 0
        self.refusals: list[StatementRefused] = []
        self._answers = answers
        self._room = room
        if answers.last_commit is not None:
            # No transaction is open right behind a commit.
            state.log = None
            state.rowid = answers.last_commit.last_insert_rowid
            state.foreign_keys = answers.last_commit.foreign_keys
        self.connection = Connection(state, database, answers, writes=writes, room=room)

    @property
    def is_autocommit(self) -> bool:
        return self.connection.is_autocommit

    def get_autocommit(self, index: Index) -> bool:
        """Return whether no transaction is open at that place of the request."""
        return bool(self._answers.at(index, lambda: self.is_autocommit))

    def has_run(self, index: Index) -> bool | None:
        """Return whether an earlier run has run the step; None if it did not get that far."""
        return self._answers.has(index) if self._answers.has_passed(index) else None

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
                f"the texts that the stream stores would pass {TEXTS_CHARACTERS_MAX:,} characters,"
                " the limit: close some, or send the SQL with each statement",
                "SQL_STORE_TOO_LARGE",
            )
        self.state.store(sql_id, sql)

    def execute(self, index: Index, stmt: Stmt) -> Outcome:
        """Run the statement at a place of the request; StatementRefused if it fails."""
        sql = self.sql(stmt.sql, stmt.sql_id)
        self.statements += 1
        self._room.next_statement()
        outcome: Outcome = self._answers.at(
            index, self.connection.run, index, sql, stmt, on_kept=self._room.take_kept
        )
        self.rows += len(outcome["rows"])
        return outcome

    def sequence(self, index: Index, script: str) -> None:
        """Run a script's statements up to the first that fails."""
        request, step, _statement = index
        with self._room.untold():
            for number, sql in enumerate(statements(script)):
                if is_empty(sql):
                    self._check_deadline()
                else:
                    self.execute((request, step, number), Stmt(sql=sql, want_rows=False))

    def describe(self, index: Index, sql: str) -> Outcome:
        """Describe a statement's parameters and columns, without running it."""
        outcome: Outcome = self._answers.at(index, self._description, sql)
        return outcome

    def told(self, refusal: StatementRefused) -> StatementRefused:
        """The refusal as the answer has room for it."""
        self.refusals.append(refusal)
        return self._room.told(refusal)

    def _check_deadline(self) -> None:
        try:
            self.connection.check_deadline()
        except StatementRefused as refusal:
            self._answers.tell_what_stays(refusal)
            raise

    def _description(self, sql: str) -> Outcome:
        if control_of(sql) is not None:
            return {"params": [], "cols": [], "is_explain": False, "is_readonly": True}
        plan, description = self.connection.describe(sql)
        described = {
            "params": [{"name": name} for name in names_of(sql, plan.names)],
            "cols": [{"name": name, "decltype": kind} for name, kind in description.columns],
            "is_explain": description.is_explain,
            "is_readonly": plan.kind is Kind.READ,
        }
        self._room.take_description(described)
        return described
