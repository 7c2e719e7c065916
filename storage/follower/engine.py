"""The engine of a follower: every database is another node's, and a copy of it is here."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from sqlatch.kernel.errors import BadEvent, SqlatchError
from sqlatch.kernel.node import Nodes
from storage.engine import Commit, Granted, Moment, Position, Table
from storage.follower.feed import Feed
from storage.follower.neighbours import begin_with_one
from storage.follower.remote import RemoteArchive, RemoteLog, Upstream, sizes_bytes
from storage.follower.seen import Seen
from storage.follower.store import FollowerStore
from storage.log.bookmark import position_in
from storage.log.durable import storage_errors
from storage.log.freshness import ASK_S
from storage.log.log import BEGINNING, Gone, Place
from storage.log.ltx import header_of
from storage.log.replica import Replica
from storage.log.slots import COPIES, Slot
from storage.nodes import ForLeader, Lag, Tail
from storage.work import Work

POLL_S = 0.05
"""The time between two questions to the other node for a node that follows this one."""


class Follower:
    """The databases of another node, `nodes`, and their copies, which are this machine's."""

    needs_lease = False
    follows = True

    def __init__(self, nodes: Nodes, address: str, copies: Path, max_age_s: float) -> None:
        self.work = Work()
        self._has_feeds = False
        self._upstream = Upstream(nodes)
        self._slot = Slot(address, copies)
        self._max_age_s = max_age_s
        self._replicas: dict[str, Replica] = {}
        self._feeds: dict[str, Feed] = {}
        self._seen: dict[str, Seen] = {}

    def open(self, name: str, *, table: Table, now: Callable[[], float]) -> FollowerStore:
        return FollowerStore(
            name,
            self._replica(name, now),
            table=table,
            now=now,
            max_age_s=self._max_age_s,
            feed=partial(self._feed, name),
            seen=self._seen_of(name),
        )

    def feed(self) -> None:
        self._has_feeds = True

    def age_s(self, name: str) -> float:
        return max(0.0, time.time() - self._replica(name, time.time).checked_at_s)

    def lags(self) -> list[Lag]:
        positions = defaultdict[str, list[int]](list)
        with storage_errors(COPIES):
            for bookmark in self._slot.path.parent.glob("*/*/pos"):
                if (position := position_in(bookmark)) > 0:
                    positions[bookmark.parent.name].append(position)
        return [self._lag(name, positions[name]) for name in sorted(positions)]

    def _lag(self, name: str, positions: list[int]) -> Lag:
        newest = max(positions)
        log = self._log(name, Place(BEGINNING.epoch, 0, newest), None)
        try:
            behind = log.sync(time.time() + ASK_S)
        except SqlatchError as error:
            return Lag(name, newest, len(positions), None, None, error.message)
        except Gone:
            # What it lacks is in files by now.
            return Lag(name, newest, len(positions), None, None, "it begins anew when it is read")
        since_ms = time.time() * 1000 - header_of(behind[0].content).at_ms if behind else 0
        return Lag(name, newest, len(positions), len(behind), max(0, round(since_ms)))

    def saw(self, name: str, position: Position) -> None:
        self._seen_of(name).note(position)

    def names(self) -> list[str]:
        return sorted(self.sizes_bytes())

    def sizes_bytes(self) -> dict[str, int]:
        return dict(sorted(sizes_bytes(self._upstream).items()))

    def add(self, name: str, copy: Path) -> None:
        raise ForLeader

    def history(
        self, name: str, *, before: Position | None, most: int, deadline_s: float
    ) -> list[Commit]:
        raise ForLeader

    def branch(self, name: str, to: str, moment: Moment | None, deadline_s: float) -> Position:
        raise ForLeader

    def export(self, name: str, directory: Path, deadline_s: float) -> Position:
        raise _no_log()

    def replay(self, name: str, directory: Path, granted: Granted) -> Position:
        raise _no_log()

    def forget_deleted(self, _before_s: float) -> int:
        return 0

    def tail(self, name: str) -> Tail:
        """Those who follow this node get the log of the one that it follows."""
        from storage.follower.served import ServedLog

        open_log = partial(self._log, name)
        return ServedLog(open_log, RemoteArchive(self._upstream, name), poll_s=POLL_S)

    def tend(self, name: str, deadline_s: float) -> None:
        """Nothing: the files are those of another node."""

    def close(self) -> None:
        """End what goes on in the background, and leave the copies to another process."""
        feeds = list(self._feeds.values())
        self._feeds.clear()
        for feed in feeds:
            feed.close()
        self._upstream.nodes.hang_up()
        for feed in feeds:
            feed.join()
        while self._replicas:
            self._replicas.popitem()[1].rest()
        while self._seen:
            self._seen.popitem()[1].close()
        self._slot.close()

    def _seen_of(self, name: str) -> Seen:
        if name not in self._seen:
            self._seen[name] = Seen(self._slot.path.parent / f"{name}.seen")
        return self._seen[name]

    def _replica(self, name: str, now: Callable[[], float]) -> Replica:
        if name not in self._replicas:
            begin_with_one(self._slot.path / name)
            self._replicas[name] = Replica(
                name,
                self._slot.path / name,
                partial(self._log, name),
                RemoteArchive(self._upstream, name),
                now=now,
                work=self.work,
            )
        return self._replicas[name]

    def _log(self, name: str, place: Place, log_id: bytes | None) -> RemoteLog:
        return RemoteLog(name, self._upstream, at=place, database_id=log_id)

    def _feed(self, name: str) -> Feed | None:
        if not self._has_feeds:
            return None
        if name not in self._feeds:
            replica = self._replicas[name]
            if not replica.txid:
                return None  # the first read fills the copy
            at = Place(BEGINNING.epoch, 0, replica.txid)
            log = RemoteLog(name, self._upstream, at=at, database_id=replica.log.database_id)
            self._feeds[name] = Feed(log, self._max_age_s / 2)
        return self._feeds[name]


def _no_log() -> BadEvent:
    return BadEvent(
        "the log is another node's: name the directory, or the table, in which that keeps it"
    )


def follower(urls: Sequence[str], token: str, copies: Path, max_age_s: float) -> Follower:
    """Return the engine that follows the node at the first URL that answers."""
    return Follower(Nodes(urls, token), ",".join(urls), copies, max_age_s)
