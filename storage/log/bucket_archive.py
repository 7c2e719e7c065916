"""The files that stand for a log, as objects of S3: `<database>/000<level>/<first>-<last>.ltx`.

So Litestream names them in a bucket; in a directory it names them otherwise.
"""

import errno
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from storage.engine import time_text
from storage.log.archive import (
    ARRIVING_BASE,
    HISTORY,
    LIES_READY_S,
    Archive,
    LtxFile,
    Old,
    Start,
    start_among,
)
from storage.log.log import HISTORY_S
from storage.log.ltx import HEADER, Header, header_of
from storage.log.objects import Objects, Stored, answered_in_time

if TYPE_CHECKING:
    from storage.log.pack import Packs

MOMENT_S = 5.0
"""So long a list is used again, where a snapshot of it is looked for: none is deleted that soon."""

READ_BYTES = 16 << 20
READ_BYTES_MIN = 256 << 10
"""Files that are read together, from their beginnings to their ends, share these buffers, each by
its size."""

TIMESTAMP = "litestream-timestamp"
"""The metadata by which Litestream knows the time of a file's last transaction."""

LEVELS = "000"
"""The beginning of the names of all levels."""

READY = f"{LEVELS}{ARRIVING_BASE}"
"""The beginning of the names of snapshots that lie ready, so that one list has them too."""

_READY = re.compile(rf"({READY}[0-9a-f]+)/{LEVELS}9/[0-9a-f]{{16}}-([0-9a-f]{{16}})\.ltx")
_KEY = re.compile(LEVELS + r"([1-9])/([0-9a-f]{16})-([0-9a-f]{16})\.ltx")


@dataclass(frozen=True, slots=True)
class ObjectFile(LtxFile):
    """A file that is an object, whose key is its path. Its time is that at which it was written."""

    objects: Objects

    def made_ms(self) -> int:
        try:
            return header_of(self.ranges().read(0, HEADER.size)).at_ms
        except FileNotFoundError:  # deleted since it was listed
            return self.at_ms

    def open(self) -> BinaryIO:
        return self.opened(READ_BYTES // 2)

    def opened(self, buffer_bytes: int) -> BinaryIO:
        return cast("BinaryIO", BufferedReader(_Parts(self.ranges()), buffer_bytes))

    def ranges(self) -> "ObjectRanges":
        return ObjectRanges(self.objects, str(self.path))


class ObjectRanges:
    """An object, read in ranges. Its `read` is a `Read` of the hydration."""

    def __init__(self, objects: Objects, key: str) -> None:
        self._objects = objects
        self._key = key

    def read(self, offset: int, length: int) -> bytes:
        content = answered_in_time(lambda: self._objects.get(self._key, offset, length))
        if content is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self._key)
        return content

    def close(self) -> None:
        """Nothing is open but the connections of the bucket, which others use too."""


class BucketArchive(Archive):
    """See `Archive`. With `keeps_list`, only this one changes the files, and it lists them once.

    A snapshot that lies ready is not moved, which S3 cannot: once it is adopted, it is one of the
    files of this archive, and the next snapshot is written from it.
    """

    def __init__(
        self,
        objects: Objects,
        database: str,
        check: Callable[[], None] = lambda: None,
        *,
        keeps_list: bool = False,
        history_s: float = HISTORY_S,
    ) -> None:
        super().__init__(Path(database), check, history_s=history_s)
        self._objects = objects
        self._keeps_list = keeps_list
        self._listed: list[LtxFile] | None = None
        self._stored: list[Stored] = []
        self._stored_s = float("-inf")
        self._adopted = ""

    def files(self) -> list[LtxFile]:
        if self._listed is None or not self._keeps_list:
            prefix = f"{self.directory}/{LEVELS}"
            self._stored_s = time.monotonic()
            self._stored = answered_in_time(lambda: list(self._objects.list(prefix)))
            self._listed = self._files_among(self._stored)
        return self._listed

    @cached_property
    def packs(self) -> "Packs":
        from storage.log.bucket_packs import BucketPacks

        return BucketPacks(self._objects, self.directory / HISTORY)

    def put(
        self, level: int, header: Header, pieces: Iterable[bytes], old: Old | None = None
    ) -> LtxFile:
        """Write a file; one that is there already is kept, since it has the same content."""
        from storage.log.upload import write_new

        path = self._path(level, header)
        size_bytes = write_new(
            self._objects,
            str(path),
            self._checked(pieces),
            {TIMESTAMP: time_text(header.at_ms)},
            size_bytes=header.pages * header.page_size,
            old=old,
        )
        self._listed = None
        file = self._file(
            Stored(str(path), size_bytes, time.time()), f"{path.parent.name}/{path.name}"
        )
        assert file is not None
        return file

    def arriving(self, base: bytes) -> "BucketArchive":
        arriving = BucketArchive(self._objects, "", self._check)
        arriving.directory = self.directory / f"{READY}{base.hex()}"
        return arriving

    def of(self, database: str) -> "BucketArchive":
        return BucketArchive(self._objects, database, history_s=self.history_s)

    def start_of(self, base: bytes) -> Start | None:
        """See `Archive`. What was listed a moment ago has the snapshot that lies ready too."""
        if base:
            self.adopt(base)
            is_new = time.monotonic() - self._stored_s < MOMENT_S
            if is_new and any(self._adopted in each.key for each in self._stored):
                return start_among(self._files_among(self._stored))
        return self.start()

    def adopt(self, base: bytes) -> None:
        """Take a snapshot for one of the files, which needs no call. Its log is there."""
        self._adopted = str(self.arriving(base).directory.relative_to(self.directory))
        self._listed = None

    def discard(self, base: bytes) -> None:
        """Nothing: who lays a snapshot ready may not delete. The reaper does."""

    @contextmanager
    def opened(self, files: Iterable[LtxFile]) -> Iterator[list[BinaryIO]]:
        found = [file for file in files if isinstance(file, ObjectFile)]
        whole_bytes = sum(file.size_bytes for file in found) or 1
        yield [
            file.opened(max(READ_BYTES_MIN, READ_BYTES * file.size_bytes // whole_bytes))
            for file in found
        ]

    def delete(self, files: Iterable[LtxFile]) -> None:
        for file in sorted(files, key=lambda file: file.last):
            answered_in_time(partial(self._objects.delete, str(file.path)))
            self._listed = None

    def delete_unfinished(self, written_by_s: float) -> None:
        """Delete snapshots that no log can go on behind any more: it is further than they are.

        What else is unfinished has no name yet.
        """
        start = self.start()
        for each in self._stored:
            found = _READY.search(each.key)
            if start is None or found is None or int(found[2], 16) > start.last:
                continue
            if each.written_s <= written_by_s and found[1] != self._adopted:
                answered_in_time(partial(self._objects.delete, each.key))
                self._listed = None

    def _files_among(self, stored: list[Stored]) -> list[LtxFile]:
        prefix = f"{self.directory}/"
        found = [self._file(each, each.key.removeprefix(prefix)) for each in stored]
        return sorted(filter(None, found), key=_by_transactions)

    def _path(self, level: int, header: Header) -> Path:
        path = super()._path(level, header)
        return self.directory / f"{LEVELS}{level}" / path.name

    def _file(self, stored: Stored, name: str) -> LtxFile | None:
        """Return the file that an object is; None if it is none of this archive."""
        found = _KEY.fullmatch(name.removeprefix(f"{self._adopted}/"))
        if found is None:
            return None
        return ObjectFile(
            path=Path(stored.key),
            level=int(found[1]),
            first=int(found[2], 16),
            last=int(found[3], 16),
            size_bytes=stored.size_bytes,
            at_ms=int(stored.written_s * 1000),
            written_s=stored.written_s if name == found[0] else LIES_READY_S,
            objects=self._objects,
        )


def _by_transactions(file: LtxFile) -> tuple[int, int, int, bool]:
    """Of two snapshots of one state, the one that lies ready comes first, and is not the newest."""
    return file.level, file.last, file.first, not file.lies_ready


class _Parts(RawIOBase):
    """A file that is read part by part."""

    def __init__(self, ranges: ObjectRanges) -> None:
        super().__init__()
        self._ranges = ranges
        self._offset = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        content = self._ranges.read(self._offset, len(buffer))
        buffer[: len(content)] = content
        self._offset += len(content)
        return len(content)
