"""Objects below a prefix of a bucket of S3: the calls that large records and snapshots need."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from sqlatch.kernel.aws.errors import NotFound, Refused
from sqlatch.kernel.aws.s3 import Bucket
from storage.log.answers import answered

BEHIND_THE_END = "InvalidRange"


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
            self._bucket.put(self._prefix + key, content, metadata=metadata)

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes | None:
        """Return an object, or a part; fewer bytes where it ends. None: there is none."""
        last = None if length is None else offset + length - 1
        with answered(self._where):
            try:
                return self._bucket.get(self._prefix + key, first=offset, last=last)
            except NotFound:
                return None
            except Refused as refused:
                if refused.code == BEHIND_THE_END:
                    return b""
                raise

    def delete(self, key: str) -> None:
        """Delete an object, if it is there."""
        with answered(self._where):
            self._bucket.delete(self._prefix + key)

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """Yield the objects whose keys begin so, in the order of their keys."""
        more: str | None = None
        while True:
            with answered(self._where):
                page = self._bucket.list(self._prefix + prefix, more=more)
            for found in page.objects:
                key = found.key.removeprefix(self._prefix)
                yield Stored(key, found.size, found.written_s)
            more = page.more
            if more is None:
                return

    @cached_property
    def _bucket(self) -> Bucket:
        return Bucket(self._name)

    @property
    def _where(self) -> str:
        return f"the bucket {self._name!r}"
