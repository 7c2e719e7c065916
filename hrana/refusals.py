"""The protocol's two kinds of no: to a statement, inside a reply, and to a whole request."""

from sqlatch.kernel.errors import LeaseLost, SqlatchError, Timeout
from storage.translate import NoStatement, Overtaken, SeveralStatements

CODES = {
    "FORBIDDEN_STATEMENT": "BLOCKED",
    "READ_ONLY": "SQLITE_READONLY",
    "RESULT_TOO_LARGE": "RESPONSE_TOO_LARGE",
    "TIMEOUT": "SQLITE_INTERRUPT",
    "LEASE_BUSY": "SQLITE_BUSY",
    "LEASE_LOST": "SQLITE_BUSY",
    "DATABASE_BUSY": "SQLITE_BUSY",
    "STORAGE_ERROR": "SQLITE_IOERR",
    "DATABASE_CORRUPT": "SQLITE_CORRUPT",
    "CONSTRAINT": "SQLITE_CONSTRAINT",
    "STATEMENT_ERROR": "SQLITE_ERROR",
}
"""The codes that clients know: SQLite's, and a few of libSQL's. Others are sent as they are."""

OF_THE_STATEMENT = frozenset({
    "STATEMENT_ERROR", "CONSTRAINT", "FORBIDDEN_STATEMENT", "READ_ONLY",
})  # fmt: skip
"""Codes of errors that the same statement on the same data causes again."""

MANY_STATEMENTS = "one statement at a time: send several as a batch, or a script as a sequence"

OVERTAKEN = (
    "database is locked: other transactions were committed first until the deadline; nothing of"
    " this one is written, and it is still open: send COMMIT again, or roll back"
)

UNDONE = "nothing of this statement was written, and what the request committed before it stays"
AFTER_A_COMMIT: dict[type[SqlatchError], str] = {
    Timeout: f"the deadline passed; {UNDONE}: give it more time with SQLATCH_TIMEOUT_MS, or send"
    " fewer statements in one request",
    LeaseLost: f"the lease ran out before the commit; {UNDONE}",
}
"""Messages of errors that otherwise say that nothing was written: a request of a stream may have
several transactions, and only the last one is undone."""


class StatementRefused(Exception):
    """A statement that failed; the stream goes on.

    `recurs` says whether the same statement on the same data would fail so again. `error` is
    ours, if it was one.
    """

    def __init__(
        self,
        message: str,
        code: str,
        *,
        recurs: bool = True,
        hint: str = "",
        error: SqlatchError | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.recurs = recurs
        self.error = error
        self._hint = hint

    def body(self) -> dict[str, str]:
        return {"message": self.message, "code": self.code}

    def after_a_commit(self) -> None:
        """Change the message to what is true where the request has committed before."""
        if self.error is not None:
            self.message = AFTER_A_COMMIT.get(type(self.error), self.message)

    def known_by(self) -> dict[str, str]:
        """The body without the hint, which depends on more of the schema than the refusal."""
        return {**self.body(), "message": self.message.removesuffix(self._hint)}


class RequestRefused(Exception):
    """A request that breaks the protocol, or may not be made; nothing of it is run."""

    def __init__(self, message: str, code: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status

    def body(self) -> dict[str, str]:
        return {"message": self.message, "code": self.code}


def refusal_of(error: SqlatchError) -> StatementRefused:
    """An error of ours as a client reads it."""
    recurs = error.code in OF_THE_STATEMENT
    message = MANY_STATEMENTS if isinstance(error, SeveralStatements) else error.message
    code = _code(error)
    return StatementRefused(message, code, recurs=recurs, hint=error.hint, error=error)


def overtaken(error: Overtaken) -> StatementRefused:
    """Return the refusal of a COMMIT at its deadline, which others were faster than."""
    return StatementRefused(OVERTAKEN, "SQLITE_BUSY", recurs=False, error=error)


def _code(error: SqlatchError) -> str:
    if isinstance(error, NoStatement):
        return "SQL_NO_STATEMENT"
    if isinstance(error, SeveralStatements):
        return "SQL_MANY_STATEMENTS"
    extended = error.facts.get("sqlite_code")
    if isinstance(extended, str):
        # SQLITE_CONSTRAINT_UNIQUE is a kind of SQLITE_CONSTRAINT, which is what clients look for.
        return "_".join(extended.split("_")[:2])
    return CODES.get(error.code, error.code)
