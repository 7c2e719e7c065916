"""The history of a database, written as the directory of a Litestream replica."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from sqlatch.kernel.errors import BadEvent, DatabaseNotFound, StorageError
from storage.engine import Position, position_text
from storage.log import ltx
from storage.log.archive import SNAPSHOT_LEVEL, Archive, LtxFile
from storage.log.durable import BUFFER_BYTES
from storage.log.history import History
from storage.log.keeping import with_snapshots_taken_in
from storage.log.log import Place

FILES = "ltx"
"""The directory of a replica that holds its levels."""

TRANSACTIONS = 0
"""The level of the files that hold one transaction each."""


class LitestreamFiles(Archive):
    """The files of a Litestream replica, of which level 0 has each transaction by itself.

    In a bucket its levels are called 0000 to 0009.
    """

    def _levels(self) -> list[Path]:
        return [each for form in ("[0-9]", "000[0-9]") for each in self.directory.glob(form)]


def export_replica(history: History, directory: Path, deadline_s: float) -> Position:
    """Write each state of a database that can be read as a Litestream replica, whole or not at all.

    The files are copied as they are, and each commit becomes a file of its own. Of a database that
    was deleted and made again, what was before is left out. Return the position of the last state.
    """
    if directory.exists() and any(directory.iterdir()):
        raise BadEvent(f"{directory} is not empty: name a new directory", field="directory")
    arriving = directory.absolute().with_name(f".{directory.name}.{os.urandom(4).hex()}")
    target = LitestreamFiles(arriving / FILES)
    try:
        position = _take_in(history, deadline_s)
        files = history.archive.files()
        begin = max((file.last for file in files if file.holds_nothing), default=0)
        for record in history.kept(deadline_s):
            if begin < record.txid <= position:
                _put(target, TRANSACTIONS, ltx.header_of(record.content), iter([record.content]))
        for file in files:
            if begin < file.last <= position:
                _copy(file, target)
        start = target.start()
        if start is None:
            raise DatabaseNotFound(f"there is no database {history.name!r}")
        if start.last != position:
            raise StorageError(
                f"the files lead to position {position_text(Position(start.last))} of"
                f" {position_text(position)} only: they were changed meanwhile; try again"
            )
        arriving.rename(directory)
    finally:
        shutil.rmtree(arriving, ignore_errors=True)
    return position


def _take_in(history: History, deadline_s: float) -> Position:
    """Return the newest position. The files have each snapshot that the log goes on behind then."""

    def read() -> int:
        start = history.archive.start()
        place = Place(epoch=0, offset=0, txid=start.last if start else 0)
        with closing(history.open_log(place, None)) as log:
            has_more = True
            while has_more:
                log.sync(deadline_s)
                has_more = log.has_more
            return log.place.txid

    archive = history.archive
    return Position(with_snapshots_taken_in(archive, history.name, read, taken_in=archive.adopt))


def _copy(file: LtxFile, target: Archive) -> None:
    try:
        stream = file.open()
        head = stream.read(ltx.HEADER.size)
    except FileNotFoundError:
        return  # its time has come meanwhile
    with stream:
        header = ltx.header_of(head)
        _put(target, file.level, header, _pieces(head, partial(stream.read, BUFFER_BYTES)))


def _pieces(head: bytes, read: Callable[[], bytes]) -> Iterator[bytes]:
    yield head
    yield from iter(read, b"")


def _put(target: Archive, level: int, header: ltx.Header, pieces: Iterator[bytes]) -> None:
    target.put(SNAPSHOT_LEVEL if header.is_snapshot else level, header, pieces)
