"""The past of a database: copies that follow its history up to a moment, and no further."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from sqlatch.kernel.errors import ReadOnly
from storage.engine import Moment, Store, position_text
from storage.log.archive import Archive, LtxFile, Start
from storage.log.copy_file import told
from storage.log.history import History, not_kept
from storage.log.log import Gone, Place, Record
from storage.log.pack import Packed
from storage.log.replica import Replica

PASTS_MAX = 4
"""So many positions of one database are kept open: each is a copy on the local disk."""

MOMENTS_KEPT = 64


class PastLog:
    """The log of a database, which ends with a position. See `Log`."""

    goes_first = False
    database_id: bytes | None = None

    def __init__(self, history: History, position: int, place: Place) -> None:
        self._history = history
        self._archive = PastArchive(history.archive, position)
        self._position = position
        self.place = place

    @property
    def has_more(self) -> bool:
        return self.place.txid < self._position

    def sync(self, deadline_s: float) -> list[Record]:
        """Return what leads to the position, of about PIECE_BYTES; BadEvent if nothing does."""
        txid, position = self.place.txid, self._position
        if txid == position:
            return []
        try:
            records = [_record(each) for each in self._history.piece(txid, position, deadline_s)]
        except Gone as gone:
            start = self._archive.start_of(gone.base)
            if start is not None and start.last > txid:
                raise  # a snapshot that was taken in only now
            what = f"no position {position_text(position)}"
            raise not_kept(self._history.name, what) from gone
        self.place = records[-1].end
        return records

    def ready(self, deadline_s: float, *, fence: int, seal: bool) -> NoReturn:
        raise ReadOnly.of_the_past()

    def append(self, commit_id: bytes, content: bytes) -> NoReturn:
        raise ReadOnly.of_the_past()

    def replace(self, base: bytes) -> NoReturn:
        raise ReadOnly.of_the_past()

    def outcome(self, txid: int, commit_id: bytes, deadline_s: float) -> NoReturn:
        raise ReadOnly.of_the_past()

    def close(self) -> None:
        """Nothing is open."""


class PastArchive(Archive):
    """The files of a database that lead up to a position."""

    def __init__(self, archive: Archive, position: int) -> None:
        super().__init__(archive.directory)
        self._archive = archive
        self._position = position

    def files(self) -> list[LtxFile]:
        return self._archive.files()

    def start_of(self, base: bytes) -> Start | None:
        if base:
            self._archive.adopt(base)
        return self.start_up_to(self._position)


class Pasts:
    """The positions of one database that were read last, each with a copy of its own."""

    def __init__(self, replica: Replica, open_store: Callable[[Replica], Store]) -> None:
        self._replica = replica
        self._history = History(replica)
        self._open_store = open_store
        self._positions: dict[Moment, int] = {}
        self._open: dict[int, tuple[Replica, Store]] = {}
        with told(replica.name):
            for left in self._directory.parent.glob(f"{self._directory.name}@*"):
                shutil.rmtree(left, ignore_errors=True)

    def at(self, moment: Moment, deadline_s: float) -> Store:
        """Return the database at a moment."""
        position = self._positions.get(moment)
        if position is None:
            position = self._history.position_at(moment, deadline_s)
            if len(self._positions) >= MOMENTS_KEPT:
                self._positions.clear()
            self._positions[moment] = position
        if position not in self._open:
            while len(self._open) >= PASTS_MAX:
                self._close(next(iter(self._open)))
            self._history.start_at(position)
            replica = self._replica_at(position)
            self._open[position] = replica, self._open_store(replica)
        self._open[position] = self._open.pop(position)
        return self._open[position][1]

    def close(self) -> None:
        """Close what is open, and remove its copies."""
        for position in list(self._open):
            self._close(position)

    @property
    def _directory(self) -> Path:
        return self._replica.file.path.parent

    def _replica_at(self, position: int) -> Replica:
        return Replica(
            self._replica.name,
            self._directory.with_name(f"{self._directory.name}@{position_text(position)}"),
            lambda place, _log_id: PastLog(self._history, position, place),
            PastArchive(self._history.archive, position),
            now=self._replica.now,
            work=self._replica.work,
        )

    def _close(self, position: int) -> None:
        replica, store = self._open.pop(position)
        store.close()
        shutil.rmtree(replica.file.path.parent, ignore_errors=True)


def _record(packed: Packed) -> Record:
    return Record(packed.txid, b"", packed.content, Place(epoch=0, offset=0, txid=packed.txid))
