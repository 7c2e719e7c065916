"""A copy brought to a state that is fresh enough for a read."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from sqlatch.kernel.errors import SqlatchError, Timeout
from storage.deadline import within
from storage.engine import Freshness, position_text
from storage.log.replica import Replica
from storage.translate import Overtaken

ASK_S = 1.0
"""The time for a question to the log that has no deadline, or is still to be asked behind one."""

POLL_S = 0.05
"""The time between two questions to the log for a position that it has not reached."""


def reach(
    replica: Replica, freshness: Freshness, *, now: Callable[[], float], deadline_s: float
) -> None:
    """Ask the log what is new, unless that is known, and again until it has the position.

    Timeout if it does not by the deadline. A database that does not exist is not waited for.
    """
    at_least = freshness.at_least or 0
    if replica.txid < at_least or not replica.is_within(freshness.max_age_s or 0.0):
        replica.catch_up(deadline_s)
    while 0 < replica.txid < at_least:
        left_s = deadline_s - now()
        if left_s <= 0:
            wanted, newest = position_text(at_least), position_text(replica.txid)
            raise Timeout(
                f"the database did not reach position {wanted} before the deadline: it is at"
                f" {newest}; nothing was written. Is the position one of this database?",
                at_least=wanted,
                position=newest,
            )
        time.sleep(min(left_s, POLL_S))
        with suppress(Timeout):  # of a question so near the deadline
            replica.catch_up(deadline_s)


@contextmanager
def on_the_newest(replica: Replica, deadline_s: float, now: Callable[[], float]) -> Iterator[None]:
    """Raise Overtaken if the block wrote nothing, and began on a state that was not the newest.

    What was made on an old state the log refuses. But an error of a statement is an answer without
    an append, and so is a transaction that changes nothing: behind them the log is asked.
    """
    try:
        yield
    except Overtaken:
        raise
    except SqlatchError as error:
        if _has_missed(replica, max(deadline_s, now() + ASK_S)):
            raise overtaken() from error
        raise
    if _has_missed(replica, max(deadline_s, now() + ASK_S)):
        raise overtaken()


def _has_missed(replica: Replica, deadline_s: float) -> bool:
    with within(deadline_s):
        return replica.has_missed(deadline_s)


def overtaken() -> Overtaken:
    return Overtaken(
        "other writers were faster until the deadline; nothing was written: send the request again"
    )
