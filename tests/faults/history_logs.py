"""The logs of a history, kept whole: what a reaper removes of them is in a file before."""

import os
import struct
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import cast

from handler.settings import Settings
from storage.log import compaction, copy_file, directory, dynamodb, hydration, ltx
from storage.log.archive import Archive
from storage.log.bucket_archive import BucketArchive
from storage.log.chain import Chain
from storage.log.dynamodb import DynamoLog
from storage.log.engine import ARCHIVE, LOG
from storage.log.log import Place
from storage.log.objects import Objects, answered_in_time
from storage.log.segment import SEALED_BYTES
from storage.log.table import Table
from storage.log.turn import TURN

PATIENCE_S = 60.0

RECORDS_KEPT_S = 1.0
FILES_KEPT_S = 20.0
"""Longer than any process is frozen."""

_LENGTH = struct.Struct("<I")


def hurry(*, lazy: bool) -> None:
    """Have the times and sizes of a log that a short history reaches, in this process."""
    dynamodb.KEEP_S, dynamodb.STALE_S = RECORDS_KEPT_S, RECORDS_KEPT_S / 2
    directory.CAP_BYTES = 100_000
    compaction.RECORDS_KEPT_S = RECORDS_KEPT_S  # type: ignore[assignment]
    compaction.SNAPSHOT_AGE_MAX_S = RECORDS_KEPT_S  # type: ignore[assignment]
    for name in ("SNAPSHOTS_KEPT_S", "FILES_KEPT_S", "REPLACED_KEPT_S"):
        setattr(compaction, name, FILES_KEPT_S)
    compaction.FILES_OF_A_LEVEL_MAX = 4
    copy_file.LAZY_BYTES_MIN = 0 if lazy else 1 << 24
    hydration.BLOCK_BYTES = 4096


class Keeper:
    """Copies the log of a database into a file: records, and snapshots that it goes on behind."""

    def __init__(self, database: str, kept: Path) -> None:
        contents = list(kept_in(kept))
        with kept.open("ab") as file:
            file.truncate(sum(len(_framed(content)) for content in contents))
        self._kept = kept
        self._database = database
        self._txid = ltx.header_of(contents[-1]).last if contents else 0
        self._settings = Settings.from_environment(os.environ)

    def keep(self) -> None:
        """Append what is new in the log."""
        log = self._segments() if self._settings.log_table is None else self._items()
        with self._kept.open("ab") as file:
            for content in log:
                self._txid += 1
                found = ltx.header_of(content).last
                assert found == self._txid, (self._database, found, self._txid)
                file.write(_framed(content))

    def removed(self) -> int:
        """Return the number of the last record that was removed from the log."""
        if self._settings.log_table is not None:
            log = self._log()
            return log._until(_soon(), log._floor.txid)
        chain = self._chain()
        epochs = chain.epochs()
        return chain.header(epochs[0]).txid_before if epochs and epochs[0] > 1 else 0

    def _items(self) -> Iterator[bytes]:
        """Yield what is new in a table: read as readers do, but with all that was replaced."""
        log = self._log()
        behind = partial(log._table.behind, self._database, self._txid)
        for item in log._until(_soon(), behind):
            if "base" in item:
                yield self._lying_ready(cast("bytes", item["base"]), cast("int", item["sk"]))
            elif cast("int", item["sk"]) < TURN:
                yield log._until(_soon(), partial(log._record, item)).content

    def _lying_ready(self, base: bytes, txid: int) -> bytes:
        objects = self._log()._objects
        ready = BucketArchive(objects, self._database).arriving(base)
        key = f"{ready.directory}/0009/{1:016x}-{txid:016x}.ltx"
        content = answered_in_time(partial(objects.get, key))
        assert content is not None
        return content

    def _segments(self) -> Iterator[bytes]:
        """Yield what is new in a directory, the same way.

        Whoever sealed the newest segment may have been killed between its steps: then it is sealed
        here, as by any reader. What was acknowledged may stand in it.
        """
        chain = self._chain()
        for epoch in chain.epochs():
            with closing(chain.open(epoch)) as segment:
                if segment.header.txid_before == self._txid + 1:
                    yield self._snapshot(segment.header.creator)
                records = segment.new_records(segment.start) or []
                if segment.length_bytes() >= SEALED_BYTES:
                    settled = chain.successor(
                        segment, segment.start, _soon(), time.time, time.sleep
                    )
                    settled.close()
                    records, _base = segment.settled_records(segment.start, settled.header)
                yield from (each.content for each in records if each.txid > self._txid)

    def _snapshot(self, base: bytes) -> bytes:
        archive = Archive(self._settings.home / self._database / ARCHIVE)
        archive.adopt(base)
        (snapshot,) = (each for each in archive.snapshots() if each.last == self._txid + 1)
        with snapshot.open() as file:
            return file.read()

    def _chain(self) -> Chain:
        return Chain(self._settings.home / self._database / LOG, None)

    def _log(self) -> DynamoLog:
        assert self._settings.log_table is not None
        table, bucket, prefix = self._settings.log_table
        objects = Objects(bucket, prefix)
        at = Place(0, 0, self._txid)
        return DynamoLog(self._database, Table(table), objects, at=at, now=time.time)


def kept_in(kept: Path) -> Iterator[bytes]:
    """Yield what a keeper has kept. The last of it is torn if the keeper was killed."""
    whole = kept.read_bytes() if kept.exists() else b""
    at = 0
    while at + _LENGTH.size <= len(whole):
        (length,) = _LENGTH.unpack_from(whole, at)
        at += _LENGTH.size
        if at + length <= len(whole):
            yield whole[at : at + length]
        at += length


def _soon() -> float:
    return time.time() + PATIENCE_S


def _framed(content: bytes) -> bytes:
    return _LENGTH.pack(len(content)) + content
