"""A copy brought to a state that is fresh enough for a read."""

import time
from collections.abc import Callable

from sqlatch.kernel.errors import Timeout
from storage.engine import Freshness, position_text
from storage.log.replica import Replica

POLL_S = 0.05
"""The time between two questions to the log for a position that it has not reached."""


def reach(
    replica: Replica, freshness: Freshness, *, now: Callable[[], float], deadline_s: float
) -> None:
    """Ask the log what is new, unless that is known, and again until it has the position.

    Timeout if it does not by the deadline. A database that does not exist is not waited for.
    """
    at_least = freshness.at_least or 0
    if replica.txid < at_least or not replica.is_within(freshness.max_age_s):
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
        replica.catch_up(deadline_s)
