"""The ends of calls to AWS in the words of a log: no answer yet, or an error."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlatch.kernel.aws.backoff import waits
from sqlatch.kernel.aws.errors import (
    AwsError,
    ConditionFailed,
    NotConnected,
    Refused,
    Throttled,
    Unavailable,
)
from sqlatch.kernel.errors import StorageError

_KEYS = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and this machine's clock"
_RIGHTS = "allow this action there to the role or user that asks"
_RENEW = "renew the credentials of this process"
_TOO_MANY = (
    "DynamoDB takes 1,000 write units a second for one database: put more into one request, or"
    " spread the data over several databases"
)
_CAPACITY = f"give the table more capacity, or make it on-demand; {_TOO_MANY}"
_AWS_FAILS = "AWS itself fails: see https://health.aws.amazon.com, and send the request again"
NEXT_STEPS = {
    "AccessDenied": _RIGHTS,
    "AccessDeniedException": _RIGHTS,
    "AuthorizationHeaderMalformed": "set AWS_REGION to the region of the bucket",
    "ExpiredToken": _RENEW,
    "ExpiredTokenException": _RENEW,
    "InternalError": _AWS_FAILS,
    "InternalFailure": _AWS_FAILS,
    "InternalServerError": _AWS_FAILS,
    "InvalidAccessKeyId": _KEYS,
    "InvalidSignatureException": _KEYS,
    "NoSuchBucket": "create it, or name another one in SQLATCH_LOG",
    "PermanentRedirect": "set AWS_REGION to the region of the bucket",
    "ProvisionedThroughputExceededException": _CAPACITY,
    "RequestLimitExceeded": "raise the table's or the account's limit in Service Quotas",
    "RequestTimeTooSkewed": _KEYS,
    "ResourceNotFoundException": "create it in this region, or name another one in SQLATCH_LOG",
    "ServiceUnavailable": _AWS_FAILS,
    "SignatureDoesNotMatch": _KEYS,
    "SlowDown": "S3 takes 3,500 writes and 5,500 reads a second below one prefix: send fewer",
    "ThrottlingException": _TOO_MANY,
    "UnrecognizedClientException": _KEYS,
    "ValidationException": "the keys of the table must be pk (S) and sk (N)",
}
"""The next step after a refusal, by AWS's code."""
NEXT_STEPS |= dict.fromkeys(("500", "502", "503", "504"), _AWS_FAILS)

T = TypeVar("T")


class NoAnswer(Exception):
    """There is no answer, or not now: ask again. `may_land`: what was asked may have happened, or
    may yet. `aws_code` is AWS's own, if there was one."""

    def __init__(self, message: str, *, may_land: bool, aws_code: str = "") -> None:
        super().__init__(message)
        self.may_land = may_land
        self.aws_code = aws_code

    def as_error(self, where: str, tries: int = 1) -> StorageError:
        """Return what a caller is told who waits no longer."""
        step = f"; {NEXT_STEPS[self.aws_code]}" if self.aws_code in NEXT_STEPS else ""
        asked = f"; asked {tries} times until the deadline" if tries > 1 else ""
        facts = {"aws_code": self.aws_code} if self.aws_code else {}
        return StorageError(f"{where}: {self}{asked}{step}", **facts)


@contextmanager
def answered(where: str) -> Iterator[None]:
    """Raise NoAnswer or StorageError for what AWS's calls raise, but for a condition's failure."""
    try:
        yield
    except ConditionFailed:
        raise
    except Refused as error:
        step = f"; {NEXT_STEPS[error.code]}" if error.code in NEXT_STEPS else ""
        raise StorageError(f"{where}: {error}{step}", aws_code=error.code) from error
    except (Throttled, Unavailable) as error:
        may_land = not isinstance(error, Throttled | NotConnected)
        code = getattr(error, "code", "")
        raise NoAnswer(f"{where}: {error}", may_land=may_land, aws_code=code) from error
    except AwsError as error:
        raise StorageError(f"{where}: {error}") from error


def until_answered(
    ask: Callable[[], T],
    deadline_s: float,
    *,
    now: Callable[[], float],
    sleep: Callable[[float], None],
    chance: Callable[[], float] = random.random,
) -> T:
    """Ask again, less and less often, until there is an answer; StorageError at the deadline."""
    for tries, wait_s in enumerate(waits(chance), 1):
        try:
            return ask()
        except NoAnswer as error:
            left_s = deadline_s - now()
            if left_s <= 0:
                raise error.as_error("the log", tries) from error
            sleep(min(wait_s, left_s))
    raise AssertionError("there is always another wait")
