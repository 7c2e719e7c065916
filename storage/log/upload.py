"""An object of S3 that is written piece by piece: one call if it is small, else one for each part.

Memory is that of a part. Where a part is the same in another object, S3 copies it from there.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial

from sqlatch.kernel.errors import StorageError
from storage.log.answers import NoAnswer
from storage.log.archive import Old
from storage.log.objects import Objects, answered_in_time

PART_BYTES = 8 << 20
"""The length of a part. S3 wants 5 MiB at least, but for the last one."""

PARTS_MAX = 9_000
"""S3 takes 10,000; the size that is told beforehand is less than the object's."""

COPY_BYTES_MAX = 256 << 20
"""The longest range that one call copies, so that it is answered in time."""


def write_new(
    objects: Objects,
    key: str,
    pieces: Iterable[bytes],
    metadata: Mapping[str, str],
    *,
    size_bytes: int,
    old: Old | None,
) -> int:
    """Write an object of about this size; one that is there already is kept. Return its size.

    If anything fails, no part is left. Those of a killed process go by the bucket's lifecycle rule.
    """
    part_bytes = max(PART_BYTES, size_bytes // PARTS_MAX)
    making: _Making | None = None
    part = bytearray()
    try:
        for piece in pieces:
            part += piece
            if len(part) >= part_bytes:
                making = making or _Making(objects, key, metadata, old)
                making.add(bytes(part))
                part.clear()
        if making is None:
            answered_in_time(lambda: objects.put_new(key, bytes(part), metadata))
            return len(part)
        making.add(bytes(part))
        return making.complete()
    except BaseException:
        if making is not None:
            making.abort()
        raise


class _Making:
    """An object that is being made of parts. Ranges to be copied are joined."""

    def __init__(
        self, objects: Objects, key: str, metadata: Mapping[str, str], old: Old | None
    ) -> None:
        self._objects = objects
        self._old = old
        self._upload = answered_in_time(lambda: objects.begin(key, metadata))
        self._tags: list[str] = []
        self._copied_to = 0
        self._made_to = 0

    def add(self, part: bytes) -> None:
        first, behind = self._copied_to, self._copied_to + len(part)
        if self._old is not None and self._old.is_same(first, behind):
            self._copied_to = behind
            if behind - self._made_to >= COPY_BYTES_MAX:
                self._copy()
            return
        self._copy()
        number = len(self._tags) + 1
        send = partial(self._objects.send_part, self._upload, number, part)
        self._tags.append(answered_in_time(send))
        self._copied_to = self._made_to = behind

    def complete(self) -> int:
        self._copy()
        answered_in_time(lambda: self._objects.complete_new(self._upload, self._tags))
        return self._made_to

    def abort(self) -> None:
        with suppress(NoAnswer, StorageError):
            self._objects.abort(self._upload)

    def _copy(self) -> None:
        """Have the parts copied that are only noted."""
        if self._old is not None and self._copied_to > self._made_to:
            source, first = str(self._old.file.path), self._made_to
            number, last = len(self._tags) + 1, self._copied_to - 1
            copy = partial(
                self._objects.copy_part, self._upload, number, source, first=first, last=last
            )
            self._tags.append(answered_in_time(copy))
            self._made_to = self._copied_to
