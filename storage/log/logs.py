"""The common part of the engines that keep databases as logs, wherever a log lies."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from math import inf
from pathlib import Path

from storage import copies
from storage.engine import Commit, Granted, Moment, Position, Table
from storage.engines import AtHome
from storage.log.archive import Archive
from storage.log.log import HISTORY_S, Log, Place, base_name
from storage.log.replica import Replica
from storage.log.slots import Slot
from storage.log.timeline import Timeline
from storage.nodes import Tail
from storage.work import Work

KEEP_STATE_S = 10.0
"""The time to keep the deletion that a new database of the same name follows, which has no page."""

Lay = Callable[[Archive, bytes, int], None]
"""Writes a snapshot that is to lie ready: among which files, by which name, of which position."""


class Logs(AtHome, ABC):
    """Databases of which each is a log, and the copies of them that this process has.

    An engine says where a log and its files lie, and how one begins. See `Engine`.
    """

    poll_s: float
    """The time between two looks at a log for a node that follows it."""

    def __init__(self, slot: Slot, history_s: float = HISTORY_S) -> None:
        self.work = Work()
        self._slot = slot
        self._history_s = history_s
        self._replicas: dict[str, Replica] = {}

    def open(self, name: str, *, table: Table, now: Callable[[], float]) -> Timeline:
        return Timeline(name, self._replica(name, now), table=table, now=now)

    def add(self, name: str, copy: Path) -> None:
        from storage.log.replacement import lay_ready

        scratch = self._slot.path / f"{name}.arriving"
        self._begin(name, partial(lay_ready, copy, scratch, at_ms=int(time.time() * 1000)))

    def history(
        self, name: str, *, before: Position | None, most: int, deadline_s: float
    ) -> list[Commit]:
        from storage.log.history import History

        history = History(self._replica(name, time.time))
        return history.commits(inf if before is None else before, most, deadline_s)

    def branch(self, name: str, to: str, moment: Moment | None, deadline_s: float) -> Position:
        from storage.log.branch import branch

        begin = partial(self._begin, to)
        return branch(self._replica(name, time.time), moment, deadline_s, begin)

    def export(self, name: str, directory: Path, deadline_s: float) -> Position:
        from storage.log.history import History
        from storage.log.litestream import export_replica

        return export_replica(History(self._replica(name, time.time)), directory, deadline_s)

    def replay(self, name: str, directory: Path, granted: Granted) -> Position:
        from storage.log.replay import Replay

        replay = Replay(self._replica(name, time.time), directory, granted)
        return replay.run(partial(self._begin, name))

    def tail(self, name: str) -> Tail:
        from storage.follower.served import ServedLog

        open_log = partial(self._log, name, time.time)
        return ServedLog(open_log, self._archive(name), poll_s=self.poll_s)

    def _begin(self, name: str, lay: Lay) -> None:
        """Have a snapshot laid, and make a log that begins behind it.

        The snapshot lies beside the others until the log is there, by a name of its own that the
        log says: one that fails or loses the race leaves none among those of the database.
        """
        from storage.log.replacement import files_of_another

        archive, base = self._archive(name), base_name()
        # Asked first: those of whoever begins the log meanwhile belong to it.
        has_files = archive.start() is not None
        after, begin = self._beginning(name)
        if has_files and not after:
            raise files_of_another(archive)
        if after:
            from storage.log.keeping import keep_state

            deadline_s = time.time() + KEEP_STATE_S
            replica = self._replica(name, time.time)
            replica.catch_up(deadline_s)
            keep_state(replica, deadline_s, for_days=self._history_s > 0)
        try:
            lay(archive, base, after + 1)
        except BaseException:
            archive.discard(base)
            raise
        if not begin(base):
            archive.discard(base)
            raise copies.is_taken(name)

    def _replica(self, name: str, now: Callable[[], float]) -> Replica:
        if name not in self._replicas:
            self._replicas[name] = Replica(
                name,
                self._slot.path / name,
                partial(self._log, name, now),
                self._archive(name),
                now=now,
                work=self.work,
            )
        return self._replicas[name]

    @abstractmethod
    def _log(self, name: str, now: Callable[[], float], place: Place, log_id: bytes | None) -> Log:
        """Return the log of a database, to be read on from a place."""

    @abstractmethod
    def _archive(self, name: str) -> Archive:
        """Return the files of a database."""

    @abstractmethod
    def _beginning(self, name: str) -> tuple[int, Callable[[bytes], bool]]:
        """Return the position of the deletion that a new log follows, 0 if there was none, and what
        begins it behind the snapshot of a name: False if another was first. BadEvent if the name is
        taken.
        """
