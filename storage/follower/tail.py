"""The end of a log in memory, for the nodes that follow it."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from storage.log.archive import Archive, LtxFile
from storage.log.log import PIECE_BYTES, Gone, Log, Place, Record
from storage.log.reading import Ranges

OPEN_MAX = 8
"""Files that are kept open for who is reading them: one that is deleted is read to its end."""


@dataclass(frozen=True, slots=True)
class Found:
    """Records behind a place, in order; the newest position, None if there are more than are known
    of; the id of the log, if known; and how long after the question the log was read."""

    records: list[Record]
    newest: int | None
    log_id: bytes | None
    waited_s: float = 0.0


def path_of(file: LtxFile, archive: Archive) -> str:
    """Return the path of a file below the directory of all."""
    return file.path.relative_to(archive.directory).as_posix()


class Tail:
    """The newest records of one database, and its files. Threads may share it.

    `poll_s` is the time between two questions to the log while somebody waits for a record.
    """

    def __init__(
        self,
        open_log: Callable[[Place, bytes | None], Log],
        archive: Archive,
        *,
        poll_s: float,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._open_log = open_log
        self.archive = archive
        self._poll_s = poll_s
        self._now = now
        self._sleep = sleep
        self._lock = threading.Lock()
        self._files_lock = threading.Lock()
        """Another: a part of a file may come from far away, and records wait for nothing."""
        self._log: Log | None = None
        self._kept: deque[Record] = deque()
        self._kept_bytes = 0
        self._ranges: dict[str, Ranges] = {}

    def behind(
        self, after: int, log_id: bytes | None, *, until_s: float, deadline_s: float
    ) -> Found:
        """Return what is behind a position, of about PIECE_BYTES; wait for it until then; Gone."""
        began_s = time.monotonic()
        while True:
            waited_s = time.monotonic() - began_s
            with self._lock:
                found = self._behind(after, log_id, deadline_s)
            left_s = until_s - self._now()
            if found.records or left_s <= 0:
                return replace(found, waited_s=waited_s)
            self._sleep(min(self._poll_s, left_s))

    def files(self, base: bytes) -> list[LtxFile]:
        """Return the files; before, take in the snapshot of that name, if its maker has died."""
        if base:
            self.archive.start_of(base)
        return self.archive.files()

    def part(self, path: str, base: bytes, offset: int, length: int) -> bytes | None:
        """Return a part of one of the files, shorter where that ends; None if there is none."""
        with self._files_lock:
            ranges = self._ranges.pop(path, None) or self._opened(path, base)
            if ranges is None:
                return None
            self._ranges[path] = ranges
            while len(self._ranges) > OPEN_MAX:
                self._ranges.pop(next(iter(self._ranges))).close()
            return ranges.read(offset, length)

    def _opened(self, path: str, base: bytes) -> Ranges | None:
        for file in self.files(base):
            if path_of(file, self.archive) == path:
                return file.ranges()
        return None

    def close(self) -> None:
        self._forget()
        while self._ranges:
            self._ranges.popitem()[1].close()

    def _behind(self, after: int, log_id: bytes | None, deadline_s: float) -> Found:
        if self._log is None or not self._reaches(after):
            return self._read_apart(after, log_id, deadline_s)
        if log_id is not None and self._log.database_id not in (None, log_id):
            raise Gone("the log belongs to another database than the copy")
        try:
            self._add(self._log.sync(deadline_s))
        except BaseException:
            self._forget()
            raise
        records, size_bytes = list[Record](), 0
        for record in self._kept:
            if record.txid > after and size_bytes < PIECE_BYTES:
                records.append(record)
                size_bytes += len(record.content)
        self._trim()
        newest = None if self._log.has_more else self._log.place.txid
        return Found(records, newest, self._log.database_id)

    def _reaches(self, after: int) -> bool:
        assert self._log is not None
        first = self._kept[0].txid - 1 if self._kept else self._log.place.txid
        return first <= after <= self._log.place.txid

    def _read_apart(self, after: int, log_id: bytes | None, deadline_s: float) -> Found:
        """Read at a place of its own. If that leads to the newest record, go on from there."""
        log = self._open_log(Place(epoch=0, offset=0, txid=after), log_id)
        try:
            records = log.sync(deadline_s)
            newest = None if log.has_more else log.place.txid
            found = Found(records, newest, log.database_id)
        except BaseException:
            log.close()
            raise
        if log.has_more:
            log.close()
        else:
            self._forget()
            self._log = log
            self._add(records)
            self._trim()
        return found

    def _add(self, records: list[Record]) -> None:
        self._kept.extend(records)
        self._kept_bytes += sum(len(record.content) for record in records)

    def _trim(self) -> None:
        while self._kept_bytes > PIECE_BYTES and len(self._kept) > 1:
            self._kept_bytes -= len(self._kept.popleft().content)

    def _forget(self) -> None:
        log, self._log = self._log, None
        self._kept.clear()
        self._kept_bytes = 0
        if log is not None:
            log.close()
