"""The end of an append whose answer did not come."""

from sqlatch.kernel.errors import SqlatchError, StorageError
from storage.log.log import InDoubt
from storage.log.replica import Replica


def is_in_the_log(replica: Replica, doubt: InDoubt, commit_id: bytes, deadline_s: float) -> bool:
    """Return whether the record that was to follow is in the log, and bring the copy up to date.

    StorageError with the outcome "unknown" if the log does not say that either.
    """
    try:
        return replica.outcome(commit_id, deadline_s)
    except (SqlatchError, OSError) as error:
        if getattr(error, "outcome", "unknown") == "nothing":
            raise
        raise StorageError(
            f"{doubt}: the commit failed, and so did the question whether it is in the log"
            f" ({error}); the same request with the same idempotency_key is safe",
            outcome="unknown",
        ) from error
