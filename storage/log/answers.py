"""The ends of calls to AWS in the words of a log: no answer yet, or an error."""

from collections.abc import Iterator
from contextlib import contextmanager

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
NEXT_STEPS = {
    "AccessDenied": _RIGHTS,
    "AccessDeniedException": _RIGHTS,
    "AuthorizationHeaderMalformed": "set AWS_REGION to the region of the bucket",
    "ExpiredToken": _RENEW,
    "ExpiredTokenException": _RENEW,
    "InvalidAccessKeyId": _KEYS,
    "InvalidSignatureException": _KEYS,
    "NoSuchBucket": "create it, or name another one in SQLATCH_LOG",
    "PermanentRedirect": "set AWS_REGION to the region of the bucket",
    "RequestTimeTooSkewed": _KEYS,
    "ResourceNotFoundException": "create it in this region, or name another one in SQLATCH_LOG",
    "SignatureDoesNotMatch": _KEYS,
    "UnrecognizedClientException": _KEYS,
    "ValidationException": "the keys of the table must be pk (S) and sk (N)",
}
"""The next step after a refusal, by AWS's code."""


class NoAnswer(Exception):
    """There is no answer, or not now: ask again. `may_land`: what was asked may have happened, or
    may yet."""

    def __init__(self, message: str, *, may_land: bool) -> None:
        super().__init__(message)
        self.may_land = may_land


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
    except (Throttled, NotConnected) as error:
        raise NoAnswer(f"{where}: {error}", may_land=False) from error
    except Unavailable as error:
        raise NoAnswer(f"{where}: {error}", may_land=True) from error
    except AwsError as error:
        raise StorageError(f"{where}: {error}") from error
