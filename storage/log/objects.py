"""Objects below a prefix of a bucket of S3: the calls that large records and snapshots need."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from sqlatch.kernel.aws.backoff import waits
from sqlatch.kernel.aws.errors import ConditionFailed, NotFound, Refused
from sqlatch.kernel.aws.s3 import Bucket
from storage.deadline import bound_s
from storage.log.answers import NoAnswer, answered

if TYPE_CHECKING:
    from sqlatch.kernel.aws.multipart import Parts, Upload

T = TypeVar("T")

TRIES = 7
PAUSE_S = 0.05
"""The longest pause before a second try; each next one may be twice as long: see `waits`."""

BEHIND_THE_END = "InvalidRange"
NO_SUCH_UPLOAD = "NoSuchUpload"


@dataclass(frozen=True, slots=True)
class Stored:
    """An object, by its key below the prefix. `written_s` is the time of S3, epoch seconds."""

    key: str
    size_bytes: int
    written_s: float


class Objects:
    """Each method is one call (a list one for 1,000 objects). NoAnswer; StorageError where trying
    again cannot help."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self._name = bucket
        self._prefix = prefix

    def put(self, key: str, content: bytes, metadata: Mapping[str, str] | None = None) -> None:
        """Write an object, whole, over any that is there."""
        with answered(self._where):
            self._bucket.put(self._prefix + key, content, metadata=metadata, deadline_s=bound_s())

    def put_new(self, key: str, content: bytes, metadata: Mapping[str, str] | None = None) -> None:
        """Write an object, whole. One that is there already is kept."""
        with answered(self._where), suppress(ConditionFailed):
            self._bucket.put(
                self._prefix + key,
                content,
                only_new=True,
                metadata=metadata,
                deadline_s=bound_s(),
            )

    def begin(self, key: str, metadata: Mapping[str, str] | None = None) -> "Upload":
        """Begin an object that is made of parts. Nobody sees it before it is completed."""
        with answered(self._where):
            return self._parts.begin(self._prefix + key, metadata)

    def send_part(self, upload: "Upload", number: int, content: bytes) -> str:
        """Send a part, numbered from 1. Return its tag."""
        with answered(self._where):
            return self._parts.send(upload, number, content)

    def copy_part(
        self, upload: "Upload", number: int, source: str, *, first: int, last: int
    ) -> str:
        """Have S3 copy the bytes `first` to `last` of another object. Return the part's tag."""
        with answered(self._where):
            return self._parts.copy(upload, number, self._prefix + source, first=first, last=last)

    def complete_new(self, upload: "Upload", tags: Sequence[str]) -> None:
        """Make an object of its parts, in this order. One that is there already is kept."""
        with answered(self._where), suppress(ConditionFailed):
            try:
                self._parts.complete(upload, tags, only_new=True)
            except Refused as refused:
                # It was completed, and the answer was lost.
                if refused.code != NO_SUCH_UPLOAD or not self._is_there(upload.key):
                    raise

    def abort(self, upload: "Upload") -> None:
        """Delete the parts of an object that is not completed."""
        with answered(self._where):
            self._parts.abort(upload)

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes | None:
        """Return an object, or a part; fewer bytes where it ends. None: there is none."""
        last = None if length is None else offset + length - 1
        with answered(self._where):
            try:
                return self._bucket.get(
                    self._prefix + key, first=offset, last=last, deadline_s=bound_s()
                )
            except NotFound:
                return None
            except Refused as refused:
                if refused.code == BEHIND_THE_END:
                    return b""
                raise

    def delete(self, key: str) -> None:
        """Delete an object, if it is there."""
        with answered(self._where):
            self._bucket.delete(self._prefix + key, deadline_s=bound_s())

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """Yield the objects whose keys begin so, in the order of their keys."""
        more: str | None = None
        while True:
            with answered(self._where):
                page = self._bucket.list(self._prefix + prefix, more=more, deadline_s=bound_s())
            for found in page.objects:
                key = found.key.removeprefix(self._prefix)
                yield Stored(key, found.size, found.written_s)
            more = page.more
            if more is None:
                return

    def _is_there(self, key: str) -> bool:
        try:
            self._bucket.size(key)
        except NotFound:
            return False
        return True

    @cached_property
    def _parts(self) -> "Parts":
        from sqlatch.kernel.aws.multipart import Parts

        return Parts(self._bucket)

    @cached_property
    def _bucket(self) -> Bucket:
        return Bucket(self._name)

    @property
    def _where(self) -> str:
        return f"the bucket {self._name!r}"


def answered_in_time(ask: Callable[[], T]) -> T:
    """Ask again a few times where there is no answer, `within` the time; StorageError."""
    for tries, wait_s in enumerate(waits(first_s=PAUSE_S), 1):
        try:
            return ask()
        except NoAnswer as error:
            left_s = bound_s() - time.time()
            if tries == TRIES or left_s <= wait_s:
                raise error.as_error("the snapshots of a database") from error
            time.sleep(wait_s)
    raise AssertionError("there is always another wait")
