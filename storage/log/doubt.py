"""The end of an append that the log did not take at once, or whose answer did not come."""

from sqlatch.kernel.errors import LeaseLost, SqlatchError, StorageError
from storage.deadline import within
from storage.engine import Grant
from storage.log.freshness import overtaken
from storage.log.log import Conflict, InDoubt
from storage.log.replica import Replica

GONE_ON = "another writer has gone on in the log since this one got its lease; nothing was written"


class CopyFailed(StorageError):
    """The private copy could not be written, and nothing was sent to the log."""


def what_became(
    replica: Replica, failure: BaseException, commit_id: bytes, grant: Grant, until_s: float
) -> int:
    """Return the transaction that the record became, if the log has it; else raise the refusal."""
    txid = replica.txid + 1
    if isinstance(failure, InDoubt):
        is_there = is_in_the_log(replica, failure, commit_id, until_s)
        grant.settle()
        if failure.__cause__ is not None and not isinstance(failure.__cause__, Exception):
            raise failure.__cause__
        if is_there:
            return txid
        if failure.failed_call is not None:
            raise failure.failed_call
    if isinstance(failure, Conflict):
        replica.take(failure.records, until_s)
    if isinstance(failure, InDoubt | Conflict):
        raise overtaken() if grant.optimistic else LeaseLost(GONE_ON)
    if isinstance(failure, SqlatchError):
        raise failure
    raise CopyFailed(
        f"the copy of database {replica.name!r} cannot be written: {failure}; nothing was written"
    )


def is_in_the_log(replica: Replica, doubt: InDoubt, commit_id: bytes, deadline_s: float) -> bool:
    """Return whether the record that was to follow is in the log, and bring the copy up to date.

    StorageError with the outcome "unknown" if the log does not say that either.
    """
    try:
        with within(deadline_s):
            return replica.outcome(commit_id, deadline_s)
    except (SqlatchError, OSError) as error:
        if getattr(error, "outcome", "unknown") == "nothing":
            raise
        raise StorageError(
            f"{doubt}: the commit failed, and so did the question whether it is in the log"
            f" ({error}); the same request with the same idempotency_key is safe",
            outcome="unknown",
        ) from error
