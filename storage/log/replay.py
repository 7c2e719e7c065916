"""A Litestream replica as the history of a new database: each of its states becomes a commit."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from sqlatch.kernel import nfs
from sqlatch.kernel.errors import BadEvent, DatabaseCorrupt, StorageError
from storage.engine import Grant, Granted, Position
from storage.log import ltx
from storage.log.archive import SNAPSHOT_LEVEL, Archive, LtxFile
from storage.log.keeping import keep_state
from storage.log.litestream import FILES, LitestreamFiles
from storage.log.log import COMMIT_ID_BYTES, Conflict, InDoubt, Log, Place, base_name, in_doubt
from storage.log.ltx import Damaged
from storage.log.replacement import go_on
from storage.log.replica import Replica

STEP_S = 60.0
"""The time for one state."""

Begin = Callable[[Callable[[Archive, bytes, int], None]], None]


class Replay:
    """The states of a replica, from the oldest on. Each is committed under a grant of its own, so
    that no lease has to last as long as all of them."""

    def __init__(self, replica: Replica, directory: Path, granted: Granted) -> None:
        home = directory / FILES
        self._files = LitestreamFiles(home if home.is_dir() else directory).files()
        self._first = min(filter(_is_whole, self._files), key=_end, default=None)
        self._directory = directory
        self._replica = replica
        self._granted = granted
        self._position = self._pages = 0

    def run(self, begin: Begin) -> Position:
        """Begin a log by `begin`, and commit what follows; return the position of the last one."""
        if self._first is None:
            raise BadEvent(
                f"{self._directory} is no Litestream replica: it has no snapshot", field="directory"
            )
        try:
            begin(partial(self._lay, self._first))
            self._replay(_steps(self._files, self._first.last))
        except Damaged as error:
            raise DatabaseCorrupt(f"the replica {self._directory}: {error}") from error
        except (Conflict, InDoubt) as error:
            raise StorageError(
                f"the import ended at position {self._position} of database"
                f" {self._replica.name!r}: {error}; delete it, and import again"
            ) from error
        return Position(self._position)

    def _replay(self, files: Iterable[LtxFile]) -> None:
        log = self._opened_log()
        try:
            for file in files:
                with self._granted(time.time() + STEP_S) as grant:
                    if log.ready(grant.deadline_s, fence=grant.fence, seal=False):
                        raise Conflict("another has written to it")
                    grant.check()
                    if _is_whole(file):
                        self._go_on_behind(file, log, grant)
                        log.close()
                        log = self._opened_log()
                    else:
                        self._append(file, log, grant)
        finally:
            log.close()

    def _opened_log(self) -> Log:
        return self._replica.open_log(Place(epoch=0, offset=0, txid=self._position), None)

    def _append(self, file: LtxFile, log: Log, grant: Grant) -> None:
        txid = self._position + 1
        with file.open() as stream:
            header, scanned = ltx.scan(stream)
            pages = dict(_without_wal(scanned))
        # SQLite writes no page that is new and free again.
        for page in range(self._pages + 1, header.pages + 1):
            if page != ltx.lock_page(header.page_size):
                pages.setdefault(page, bytes(header.page_size))
        content = b"".join(
            ltx.encode(replace(header, first=txid, last=txid), sorted(pages.items()))
        )
        with in_doubt(grant.doubt, grant.settle):
            log.append(os.urandom(COMMIT_ID_BYTES), content)
        self._position, self._pages = txid, header.pages

    def _go_on_behind(self, file: LtxFile, log: Log, grant: Grant) -> None:
        """Go on over a gap in the replica, with its next snapshot."""
        self._replica.catch_up(grant.deadline_s)
        keep_state(self._replica, grant.deadline_s, for_days=True)
        base = base_name()
        self._lay(file, self._replica.archive, base, self._position + 1)
        with in_doubt(grant.doubt, grant.settle):
            go_on(log, self._replica.archive, base)

    def _lay(self, file: LtxFile, archive: Archive, base: bytes, last: int) -> None:
        """Write a snapshot of the replica as one that a log is to go on behind."""
        with file.open() as stream:
            header, pages = ltx.scan(stream)
            header = replace(header, last=last)
            pieces = ltx.encode(header, _without_wal(pages), literal=True)
            archive.arriving(base).put(SNAPSHOT_LEVEL, header, pieces)
        self._position, self._pages = last, header.pages


def _is_whole(file: LtxFile) -> bool:
    return file.first == 1


def _end(file: LtxFile) -> tuple[int, int]:
    return file.last, file.level


def _steps(files: list[LtxFile], last: int) -> Iterator[LtxFile]:
    """Yield the files that lead from a state to the next, and over a gap the next snapshot."""
    left = sorted(files, key=_end)
    while left := [file for file in left if file.last > last]:
        fitting = (file for file in left if not _is_whole(file) and file.first <= last + 1)
        found = next(fitting, None) or next(filter(_is_whole, left), None)
        if found is None:
            raise BadEvent(
                f"no file of the replica leads on from transaction {last:016x}", field="directory"
            )
        yield found
        last = found.last


def _without_wal(pages: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """Yield pages of which the first does not say that the database is in WAL mode."""
    at = nfs.VERSIONS_OFFSET
    for page, content in pages:
        yield page, content[:at] + b"\1\1" + content[at + 2 :] if page == 1 else content
