"""Exit codes, by which scripts tell what to do next."""

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum

import click

from sqlatch.command.output import printable
from sqlatch.errors import DatabaseNotFound, ReadOnly, SqlatchError, Timeout, Unauthorized
from sqlatch.failures import UNKNOWN, BadUrl, FunctionNotFound, NotPermitted, Unreachable
from sqlatch.result import Result


class Exit(IntEnum):
    """The exit codes of a command."""

    OK = 0
    NOT_SHOWN = 1
    USAGE = 2
    REFUSED = 3
    NOT_PERMITTED = 4
    TRY_AGAIN = 5
    OUTCOME_UNKNOWN = 6
    BAD_DATA = 7
    INTERRUPTED = 130


_NEXT_STEPS: dict[type[SqlatchError], str] = {
    DatabaseNotFound: "; the first statement that writes makes it",
    ReadOnly: "; leave --read-only out to write",
    Timeout: "; --timeout SECONDS gives it longer",
    Unreachable: "; check host and port, and start the service: `sqlatch serve` on this machine",
    Unauthorized: "; give a token in SQLATCH_TOKEN, or by a profile of `sqlatch use`",
}


class Failure(click.ClickException):
    """The end of a command: a message on a line, and an exit code."""

    def __init__(self, message: str, exit_code: Exit) -> None:
        super().__init__(printable(message))
        self.exit_code = exit_code  # type: ignore[misc]


def failure_of(error: SqlatchError, *, writes: bool, where: str = "", then: str = "") -> Failure:
    """An error as the end of a command, with the next step.

    `where` is the place of the SQL in a file; `then` is the next step if the outcome is unknown.
    """
    exit_code = exit_of(error, writes=writes)
    step = next((step for kind, step in _NEXT_STEPS.items() if isinstance(error, kind)), "")
    if exit_code is Exit.OUTCOME_UNKNOWN:
        step = then
    return Failure(f"{error.code}: {error.message}{step}{where}", exit_code)


def offset_of(error: SqlatchError) -> int:
    """Return the place of an error in its statement, in bytes; 0 if it is not known."""
    offset = error.facts.get("offset", 0)
    return offset if isinstance(offset, int) else 0


def exit_of(error: SqlatchError, *, writes: bool) -> Exit:
    """The exit code for an error; what only reads cannot have left anything behind."""
    if writes and error.facts.get("outcome") == UNKNOWN:
        return Exit.OUTCOME_UNKNOWN
    if isinstance(error, BadUrl | FunctionNotFound):
        return Exit.USAGE
    if isinstance(error, NotPermitted | Unauthorized):
        return Exit.NOT_PERMITTED
    if error.retryable or isinstance(error, Timeout):
        return Exit.TRY_AGAIN
    return Exit.REFUSED


@contextmanager
def shown(results: Sequence[Result]) -> Iterator[None]:
    """Write results in the block; where they cannot be written, say what they did all the same."""
    try:
        yield
    except (OSError, UnicodeEncodeError) as error:
        done = [
            result.rows_affected
            for result in results
            if result.meta.get("wrote") or result.meta.get("replayed")
        ]
        if not done and getattr(error, "errno", None) == errno.EPIPE:
            raise  # as `head` ends it
        applied = f"applied, {sum(done)} rows affected; " if done else ""
        raise Failure(
            f"{applied}the result could not be written: {error}", Exit.NOT_SHOWN
        ) from error
