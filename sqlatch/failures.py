"""Failures of a call that the service has not answered, as a caller sees them: a class for each.

CallFailed
  BadUrl                  BAD_URL
  Unreachable             UNREACHABLE
  NotPermitted            NOT_PERMITTED
  FunctionNotFound        FUNCTION_NOT_FOUND
  Throttled               THROTTLED
  RequestTooLarge         REQUEST_TOO_LARGE
  FunctionFailed          FUNCTION_FAILED
  FunctionDied            FUNCTION_DIED
  AnswerCutOff            ANSWER_CUT_OFF
  CallTimedOut            CALL_TIMED_OUT
  UnexpectedAnswer        UNEXPECTED_ANSWER

`outcome` is among the facts of each: "nothing" was done, or "unknown" where it may have been.
"""

from typing import ClassVar

from sqlatch.errors import Fact, SqlatchError

NOTHING = "nothing"
UNKNOWN = "unknown"


class CallFailed(SqlatchError):
    """There is no answer of the service; `__cause__` is the error of the library below."""

    outcome_unless_told: ClassVar[str] = NOTHING

    def __init__(self, message: str, **facts: Fact) -> None:
        super().__init__(message, **{"outcome": self.outcome_unless_told, **facts})


class BadUrl(CallFailed):
    """The URL, or what was given beside it, cannot be one of this service."""

    code = "BAD_URL"


class Unreachable(CallFailed):
    """The connection could not be made: nothing was sent."""

    code = "UNREACHABLE"
    retryable = True


class NotPermitted(CallFailed):
    """No credentials, or AWS refused them."""

    code = "NOT_PERMITTED"


class FunctionNotFound(CallFailed):
    """There is no such function, or no service at that address."""

    code = "FUNCTION_NOT_FOUND"


class Throttled(CallFailed):
    """AWS took no more requests; nothing ran."""

    code = "THROTTLED"
    retryable = True


class RequestTooLarge(CallFailed):
    """The request is larger than this way of calling permits; the message says the limit."""

    code = "REQUEST_TOO_LARGE"


class FunctionFailed(CallFailed):
    """The function raised an error outside its contract: a wrong setting, or a bug."""

    code = "FUNCTION_FAILED"
    outcome_unless_told = UNKNOWN


class FunctionDied(CallFailed):
    """The function ended before it answered: its timeout, its memory, a failure of AWS."""

    code = "FUNCTION_DIED"
    retryable = True
    outcome_unless_told = UNKNOWN


class AnswerCutOff(CallFailed):
    """The connection ended before the whole answer was there."""

    code = "ANSWER_CUT_OFF"
    retryable = True
    outcome_unless_told = UNKNOWN


class CallTimedOut(CallFailed):
    """No answer came in time."""

    code = "CALL_TIMED_OUT"
    retryable = True
    outcome_unless_told = UNKNOWN


class UnexpectedAnswer(CallFailed):
    """The answer is not one of the service: something else stands at the address."""

    code = "UNEXPECTED_ANSWER"
    outcome_unless_told = UNKNOWN
