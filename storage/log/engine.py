"""The engine that keeps each database as a log, and a private copy of it for every process."""

import os
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from sqlatch.kernel.errors import StorageError
from storage.copies import is_taken
from storage.engine import Commit, Moment, Position, Table, Work
from storage.log.archive import Archive
from storage.log.directory import DirectoryLog
from storage.log.log import HISTORY_S, Gone, Place, base_name
from storage.log.replica import Replica
from storage.log.segment import HEADER_BYTES, SEALED_BYTES
from storage.log.slots import Slot
from storage.log.timeline import Timeline

SNAPSHOTS_TAKEN_MAX = 8
"""More replacements of one database do not come while the reaper reads it."""

LOG = "log"
"""The directory of a database that holds its segments."""
ARCHIVE = "ltx"
"""The one that holds its snapshots and what continues them."""


class InLog:
    """The databases of a directory, `<name>/log` each, and their copies, which are this machine's.

    A copy belongs to one process.
    """

    needs_lease = True

    def __init__(self, directory: Path, copies: Path, history_s: float = HISTORY_S) -> None:
        self._directory = directory
        self._history_s = history_s
        self.work = Work()
        self._slot = Slot(str(directory.resolve()), copies)
        self._replicas: dict[str, Replica] = {}

    def open(self, name: str, *, table: Table, now: Callable[[], float]) -> Timeline:
        return Timeline(name, self._replica(name, now), table=table, now=now)

    def names(self) -> list[str]:
        return sorted(entry.name for entry in self._entries() if self._is_there(entry.name))

    def sizes_bytes(self) -> dict[str, int]:
        """The bytes that are stored: a sealed segment is as long as a mark, and mostly a hole."""
        return {
            name: sum(
                file.stat().st_blocks * 512
                for file in (self._directory / name).rglob("*")
                if file.is_file()
            )
            for name in self.names()
        }

    def add(self, name: str, copy: Path) -> None:
        from storage.log.replacement import lay_ready

        scratch = self._slot.path / f"{name}.arriving"
        self._begin(name, partial(lay_ready, copy, scratch, at_ms=int(time.time() * 1000)))

    def history(
        self, name: str, *, before: Position | None, most: int, deadline_s: float
    ) -> list[Commit]:
        from storage.log.past import History

        return History(self._replica(name, time.time)).commits(before, most, deadline_s)

    def branch(self, name: str, to: str, moment: Moment | None, deadline_s: float) -> Position:
        from storage.log.branch import branch

        begin = partial(self._begin, to)
        return branch(self._replica(name, time.time), moment, deadline_s, begin)

    def forget_deleted(self, before_s: float) -> int:
        from storage.log.removal import forget_some

        deleted = [name for name in self._with_a_log() if not self._is_there(name)]
        return forget_some(self, deleted, self._archive, before_s)

    def tend(self, name: str, deadline_s: float) -> None:
        """Merge what the log has into files, and remove segments that nobody needs any more.

        Timeout if a snapshot is due that was not written by the deadline.
        """
        from storage.log.compaction import tended

        files = partial(self._archive, name)
        with tended(files, name, deadline_s) as archive:
            for _snapshot in range(SNAPSHOTS_TAKEN_MAX):
                try:
                    self._compact(name, archive, deadline_s)
                except Gone as gone:
                    # It goes on behind a snapshot, whose maker has not taken it in.
                    archive.adopt(gone.base)
                else:
                    return
            raise StorageError(
                f"the log of database {name!r} was replaced {SNAPSHOTS_TAKEN_MAX} times while it"
                " was merged; the reaper comes again"
            )

    def _begin(self, name: str, lay: Callable[[Archive, bytes, int], None]) -> None:
        """Have a snapshot laid, and make a log that begins behind it.

        The snapshot lies beside the others until the log is there, by a name of its own that the
        log says: one that loses the race leaves none among those of the database.
        """
        from storage.log.replacement import check_no_files

        log = DirectoryLog(self._directory / name / LOG, now=time.time)
        is_there, txid = log.is_there()
        if is_there:
            raise is_taken(name)
        archive, base = self._archive(name), base_name()
        if not txid:
            check_no_files(archive)
        lay(archive, base, txid + 1)
        try:
            log.begin(txid + 1, base, after=txid)
        except FileExistsError as error:
            archive.discard(base)
            raise is_taken(name) from error
        archive.adopt(base)

    def _replica(self, name: str, now: Callable[[], float]) -> Replica:
        if name not in self._replicas:
            self._replicas[name] = Replica(
                name,
                self._slot.path / name,
                partial(_log_in, self._directory / name / LOG, now),
                self._archive(name),
                now=now,
                work=self.work,
            )
        return self._replicas[name]

    def _compact(self, name: str, archive: Archive, deadline_s: float) -> None:
        from storage.log.compaction import compact, not_needed, take_in_all

        start = archive.start()
        place = Place(epoch=0, offset=0, txid=start.last if start else 0)
        with closing(self._log(name, place)) as log:
            take_in_all(archive, log, deadline_s)
            floor = compact(archive, time.time())
            log.remove(not_needed(log.segments(), floor))

    def _is_there(self, name: str) -> bool:
        """Return False for a log that is deleted, or of a writer that was killed before its first
        append."""
        root = self._directory / name / LOG
        newest = max(root.glob("*.seg"), default=None)
        if newest is None:
            return False
        has_more = HEADER_BYTES < newest.stat().st_size < SEALED_BYTES
        return has_more or DirectoryLog(root, now=time.time).is_there()[0]

    def _with_a_log(self) -> list[str]:
        logs = ((entry.name, self._directory / entry.name / LOG) for entry in self._entries())
        return sorted(name for name, log in logs if log.is_dir())

    def _log(self, name: str, place: Place) -> DirectoryLog:
        return DirectoryLog(self._directory / name / LOG, at=place, now=time.time)

    def _archive(self, name: str, check: Callable[[], None] = lambda: None) -> Archive:
        return Archive(self._directory / name / ARCHIVE, check, history_s=self._history_s)

    def _entries(self) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self._directory) as entries:
                return [
                    entry
                    for entry in entries
                    if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
                ]
        except OSError as error:
            raise StorageError(
                f"the directory of the log: {error.strerror}: {error.filename}", errno=error.errno
            ) from error


def _log_in(
    directory: Path, now: Callable[[], float], place: Place, log_id: bytes | None
) -> DirectoryLog:
    return DirectoryLog(directory, at=place, database_id=log_id, now=now)
