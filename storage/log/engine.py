"""The engine that keeps each database as a log, and a private copy of it for every process."""

import os
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from storage.copies import is_taken
from storage.log.archive import Archive
from storage.log.directory import DirectoryLog
from storage.log.durable import storage_errors
from storage.log.log import HISTORY_S, Place
from storage.log.logs import Logs
from storage.log.segment import HEADER_BYTES, SEALED_BYTES
from storage.log.slots import Slot

LOG = "log"
"""The directory of a database that holds its segments."""
ARCHIVE = "ltx"
"""The one that holds its snapshots and what continues them."""

_log_errors = partial(storage_errors, "the directory of the log")


class InLog(Logs):
    """The databases of a directory, `<name>/log` each, and their copies, which are this machine's.

    A copy belongs to one process.
    """

    needs_lease = True
    poll_s = 0.005

    def __init__(self, directory: Path, copies: Path, history_s: float = HISTORY_S) -> None:
        super().__init__(Slot(str(directory.resolve()), copies), history_s)
        self._directory = directory

    def names(self) -> list[str]:
        with _log_errors():
            return sorted(entry.name for entry in self._entries() if self._is_there(entry.name))

    def sizes_bytes(self) -> dict[str, int]:
        """The bytes that are stored: a sealed segment is as long as a mark, and mostly a hole."""
        with _log_errors():
            return {
                name: sum(map(_stored_bytes, (self._directory / name).rglob("*")))
                for name in self.names()
            }

    def forget_deleted(self, before_s: float) -> int:
        from storage.log.removal import forget_some

        with _log_errors():
            deleted = [name for name in self._with_a_log() if not self._is_there(name)]
        return forget_some(self, deleted, self._archive, before_s)

    def tend(self, name: str, deadline_s: float) -> None:
        """Merge what the log has into files, and remove segments that nobody needs any more.

        Timeout if a snapshot is due that was not written by the deadline.
        """
        from storage.log.compaction import tended
        from storage.log.keeping import keep_base, with_snapshots_taken_in

        with tended(partial(self._archive, name), name, deadline_s) as archive:
            compact = partial(self._compact, name, archive, deadline_s)
            with_snapshots_taken_in(archive, name, compact, taken_in=partial(keep_base, archive))

    def _beginning(self, name: str) -> tuple[int, Callable[[bytes], bool]]:
        log = DirectoryLog(self._directory / name / LOG, now=time.time)
        is_there, after = log.is_there()
        if is_there:
            raise is_taken(name)

        def begin(base: bytes) -> bool:
            try:
                log.begin(after + 1, base, after=after)
            except FileExistsError:
                return False
            self._archive(name).adopt(base)
            return True

        return after, begin

    def _compact(self, name: str, archive: Archive, deadline_s: float) -> None:
        from storage.log.compaction import compact, not_needed, take_in_all

        start = archive.start()
        place = Place(epoch=0, offset=0, txid=start.last if start else 0)
        with closing(self._log(name, time.time, place, None)) as log:
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

    def _log(
        self, name: str, now: Callable[[], float], place: Place, log_id: bytes | None
    ) -> DirectoryLog:
        return DirectoryLog(self._directory / name / LOG, at=place, database_id=log_id, now=now)

    def _archive(self, name: str, check: Callable[[], None] = lambda: None) -> Archive:
        return Archive(self._directory / name / ARCHIVE, check, history_s=self._history_s)

    def _entries(self) -> list[os.DirEntry[str]]:
        with os.scandir(self._directory) as entries:
            return [
                entry
                for entry in entries
                if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
            ]


def _stored_bytes(path: Path) -> int:
    try:
        return path.stat().st_blocks * 512 if path.is_file() else 0
    except FileNotFoundError:
        return 0  # the reaper has removed it meanwhile
