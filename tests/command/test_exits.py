"""Exit codes: one for every way in which a call can fail, for what writes and what reads."""

import pytest

from sqlatch import errors, failures
from sqlatch.command.exits import Exit, exit_of
from sqlatch.command.main import run
from sqlatch.errors import SqlatchError
from tests.sqlatch.conftest import composed as composed
from tests.sqlatch.conftest import lambda_api as lambda_api
from tests.sqlatch.lambda_server import FUNCTION, LambdaServer
from tests.sqlatch.test_lambda_failures import MISHAPS

FAILURES: dict[type[SqlatchError], tuple[Exit, Exit]] = {
    failures.BadUrl: (Exit.USAGE, Exit.USAGE),
    failures.Unreachable: (Exit.TRY_AGAIN, Exit.TRY_AGAIN),
    failures.NotPermitted: (Exit.NOT_PERMITTED, Exit.NOT_PERMITTED),
    failures.FunctionNotFound: (Exit.USAGE, Exit.USAGE),
    failures.Throttled: (Exit.TRY_AGAIN, Exit.TRY_AGAIN),
    failures.RequestTooLarge: (Exit.REFUSED, Exit.REFUSED),
    failures.FunctionFailed: (Exit.OUTCOME_UNKNOWN, Exit.REFUSED),
    failures.FunctionDied: (Exit.OUTCOME_UNKNOWN, Exit.TRY_AGAIN),
    failures.AnswerCutOff: (Exit.OUTCOME_UNKNOWN, Exit.TRY_AGAIN),
    failures.CallTimedOut: (Exit.OUTCOME_UNKNOWN, Exit.TRY_AGAIN),
    failures.UnexpectedAnswer: (Exit.OUTCOME_UNKNOWN, Exit.REFUSED),
}
"""What a command that writes ends with, and one that only reads."""


@pytest.mark.parametrize("kind", FAILURES)
def test_each_failure_has_its_exit_code(kind: type[SqlatchError]) -> None:
    error = kind("m")

    assert (exit_of(error, writes=True), exit_of(error, writes=False)) == FAILURES[kind]


def test_no_failure_is_without_one() -> None:
    assert list(FAILURES) == failures.CallFailed.__subclasses__()


@pytest.mark.parametrize("kind", errors.kinds())
def test_a_refusal_says_whether_to_repeat(kind: type[SqlatchError]) -> None:
    expected = {
        errors.Unauthorized: Exit.NOT_PERMITTED,
        errors.Timeout: Exit.TRY_AGAIN,  # nothing was written
    }.get(kind, Exit.TRY_AGAIN if kind.retryable else Exit.REFUSED)

    assert exit_of(kind("m"), writes=True) == expected
    assert exit_of(kind("m", outcome="unknown"), writes=True) == Exit.OUTCOME_UNKNOWN


@pytest.mark.parametrize("mishap", MISHAPS)
def test_a_mishap_of_lambda_ends_a_command_with_its_code(
    lambda_api: LambdaServer, mishap: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answer, kind = MISHAPS[mishap]
    url = f"lambda://{FUNCTION}/main"
    for sql, options, expected in [
        ("DELETE FROM t", [], FAILURES[kind][0]),
        ("SELECT 1", ["-r"], FAILURES[kind][1]),
    ]:
        lambda_api.mishaps = [answer] * 50

        code = run(["query", "--timeout", "0.5", "-u", url, *options, sql])

        printed = capsys.readouterr()
        assert (code, printed.out) == (expected, "")
        # Of what is repeated, the last attempt may have had too little time left.
        codes = [kind.code, failures.CallTimedOut.code] if kind.retryable else [kind.code]
        assert printed.err.startswith(tuple(f"Error: {one}: " for one in codes))


def test_an_unknown_function_is_a_wrong_command_line(
    lambda_api: LambdaServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["query", "-u", "lambda://nowhere/main", "DELETE FROM t"]) == Exit.USAGE
    assert "FUNCTION_NOT_FOUND" in capsys.readouterr().err
