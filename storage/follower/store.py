"""One database at a follower: read from its copy, which may be a moment old."""

from collections.abc import Callable
from math import inf

from sqlatch.kernel.errors import LeaderUnreachable
from storage.connection import Session
from storage.deadline import bound_s
from storage.engine import NEWEST, Freshness, Table
from storage.follower.feed import Feed
from storage.follower.remote import CALL_S
from storage.follower.seen import Seen
from storage.log.freshness import ASK_S
from storage.log.replica import Replica
from storage.log.store import Store
from storage.nodes import ForLeader
from storage.pins import Pins


class FollowerStore(Store):
    """See `Store`. Whoever would write, or asks for the past, is one for the leader.

    A read that does not say how old its state may be gets one that is `max_age_s` old at most; if
    the leader does not answer, the one that is there.
    """

    def __init__(
        self,
        name: str,
        replica: Replica,
        *,
        table: Table,
        now: Callable[[], float],
        max_age_s: float,
        feed: Callable[[], Feed | None],
        seen: Seen,
        pins: Pins | None = None,
    ) -> None:
        super().__init__(name, replica, table=table, now=now, pins=pins)
        self.max_age_s = max_age_s
        self._feed = feed
        self._seen = seen

    def pinned(self, pins: Pins) -> "FollowerStore":
        return FollowerStore(
            self.name,
            self._replica,
            table=self._table,
            now=self._now,
            max_age_s=self.max_age_s,
            feed=self._feed,
            seen=self._seen,
            pins=pins,
        )

    def exists(self, *, at_once: bool = False) -> bool:
        if not self._replica.is_there:  # the other node may be far away: all of the time is for it
            self._replica.catch_up(min(bound_s(), self._now() + CALL_S))
        return self._replica.is_there

    def snapshot(self, deadline_s: float, freshness: Freshness = NEWEST) -> Session:
        if freshness.at is not None:
            raise ForLeader
        self._take_arrived(deadline_s)
        if freshness.max_age_s is not None:
            self._see(deadline_s)
            return super().snapshot(deadline_s, freshness)
        wanted = Freshness(freshness.at_least, self.max_age_s)
        if self._replica.txid < (freshness.at_least or 1):
            return super().snapshot(deadline_s, wanted)
        soon_s = min(deadline_s, self._now() + ASK_S)
        least = max(self._replica.txid, self.position or 0)
        try:
            self._see(soon_s)
            return super().snapshot(soon_s, wanted)
        except LeaderUnreachable:
            if self._replica.txid < least:
                raise  # the copy was begun anew, and stands before where it stood; or is empty
            return super().snapshot(deadline_s, Freshness(freshness.at_least, inf))

    def _see(self, deadline_s: float) -> None:
        """Bring the copy to the state that callers of this machine were told of."""
        told = self._seen.position
        if self._replica.txid < told:
            self._replica.catch_up(deadline_s)
            if self._replica.txid < told:
                self._seen.forget(told)  # the leader has another log by now

    def _take_arrived(self, deadline_s: float) -> None:
        feed = self._feed()
        if feed is None:
            return
        records, known_s = feed.take(self._replica.txid)
        if records:
            self._replica.take(records, deadline_s)
            self._replica.reread()
        if known_s is not None:
            self._replica.checked_at_s = max(self._replica.checked_at_s, known_s)
