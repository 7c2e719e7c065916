"""One database on a log, and the moments of its past."""

from functools import cached_property, partial
from typing import TYPE_CHECKING

from storage.connection import Session
from storage.engine import NEWEST, Freshness
from storage.log.store import Store

if TYPE_CHECKING:
    from storage import engine
    from storage.log.past import Pasts


class Timeline(Store):
    """See `Store`. A snapshot may be that of a moment of the past."""

    def snapshot(self, deadline_s: float, freshness: Freshness = NEWEST) -> Session:
        self._seen: engine.Store = self
        if freshness.at is None:
            return super().snapshot(deadline_s, freshness)
        self._seen = self._pasts.at(freshness.at, deadline_s)
        session = self._seen.snapshot(deadline_s)
        self.position = self._seen.position
        return session

    def state(self) -> str:
        return super().state() if self._seen is self else self._seen.state()

    def close(self) -> None:
        super().close()
        if "_pasts" in self.__dict__:
            self._pasts.close()

    @cached_property
    def _pasts(self) -> "Pasts":
        from storage.log.past import Pasts

        return Pasts(self._replica, partial(Store, self.name, table=self._table, now=self._now))
