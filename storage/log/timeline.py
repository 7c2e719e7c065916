"""One database on a log, and the moments of its past."""

from functools import cached_property, partial
from typing import TYPE_CHECKING

from storage.connection import Session
from storage.engine import NEWEST, Freshness, Moment
from storage.log.store import Store
from storage.pins import Pins

if TYPE_CHECKING:
    from storage import engine
    from storage.log.past import Pasts


class Timeline(Store):
    """See `Store`. A snapshot may be that of a moment of the past."""

    _seen: "engine.Store | None" = None
    """The store of the last snapshot, where that is a moment of the past."""

    def pinned(self, pins: Pins) -> Store:
        return PinnedTimeline(self, pins)

    def snapshot(self, deadline_s: float, freshness: Freshness = NEWEST) -> Session:
        self._seen = None
        if freshness.at is None:
            return super().snapshot(deadline_s, freshness)
        self._seen = self.past(freshness.at, deadline_s)
        session = self._seen.snapshot(deadline_s)
        self.position = self._seen.position
        return session

    def state(self) -> str:
        return super().state() if self._seen is None else self._seen.state()

    def past(self, moment: Moment, deadline_s: float) -> "engine.Store":
        """Return the database as it was at a moment."""
        return self._pasts.at(moment, deadline_s)

    def close(self) -> None:
        super().close()
        if "_pasts" in self.__dict__:
            self._pasts.close()

    @cached_property
    def _pasts(self) -> "Pasts":
        from storage.log.past import Pasts

        return Pasts(self._replica, partial(Store, self.name, table=self._table, now=self._now))


class PinnedTimeline(Timeline):
    """A timeline whose time and randomness are set. The copies of the past are those of `whole`."""

    def __init__(self, whole: Timeline, pins: Pins) -> None:
        super().__init__(whole.name, whole._replica, table=whole._table, now=whole._now, pins=pins)
        self._whole = whole
        self._pinned_past: tuple[engine.Store, engine.Store] | None = None

    def past(self, moment: Moment, deadline_s: float) -> "engine.Store":
        past = self._whole.past(moment, deadline_s)
        if self._pinned_past is None or self._pinned_past[0] is not past:
            self._close_past()
            assert self._pins is not None
            self._pinned_past = past, past.pinned(self._pins)
        return self._pinned_past[1]

    def close(self) -> None:
        super().close()
        self._close_past()

    def _close_past(self) -> None:
        if self._pinned_past is not None:
            self._pinned_past[1].close()
            self._pinned_past = None
