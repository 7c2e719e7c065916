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
        raise StorageError(f"{where}: {error}", aws_code=error.code) from error
    except (Throttled, NotConnected) as error:
        raise NoAnswer(f"{where}: {error}", may_land=False) from error
    except Unavailable as error:
        raise NoAnswer(f"{where}: {error}", may_land=True) from error
    except AwsError as error:
        raise StorageError(f"{where}: {error}") from error
