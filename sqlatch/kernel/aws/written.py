"""An object of S3 that is written as its content comes: one put if it is small, else parts.

A part is sent while the next one is made; memory is that of three. Each call is made again, less
and less often, until the deadline.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

from sqlatch.kernel.aws.backoff import waits
from sqlatch.kernel.aws.errors import AwsError, Refused, Throttled, TimedOut, Unavailable
from sqlatch.kernel.aws.multipart import Parts, Upload
from sqlatch.kernel.aws.s3 import Bucket

T = TypeVar("T")

PART_BYTES = 8 << 20
"""Of an object of 10,000 parts, the most that S3 takes, 80 GB."""

ABORT_S = 0.4
"""The time that an abort may take behind the deadline: a function has half a second left then."""

NO_SUCH_UPLOAD = "NoSuchUpload"


class Written:
    """An object of a key that nobody else knows, in a `with`: it is there when `finish` returns.

    Nothing is left of one that is not finished, unless S3 cannot be asked for that either: then
    its parts go by the bucket's lifecycle rule. Raises what `Bucket` does. `deadline_s` in epoch
    seconds.
    """

    def __init__(
        self, bucket: Bucket, key: str, *, headers: Mapping[str, str], deadline_s: float
    ) -> None:
        self.size_bytes = 0
        self._bucket = bucket
        self._parts = Parts(bucket)
        self._key = key
        self._headers = headers
        self._deadline_s = deadline_s
        self._part = bytearray()
        self._upload: Upload | None = None
        self._sender = ThreadPoolExecutor(1)
        self._sending: Future[str] | None = None
        self._tags: list[str] = []

    def write(self, content: bytes) -> None:
        self.size_bytes += len(content)
        self._part += content
        while len(self._part) >= PART_BYTES:
            part = bytes(memoryview(self._part)[:PART_BYTES])
            del self._part[:PART_BYTES]
            self._send(part)

    def finish(self) -> None:
        """Make the object of what was written."""
        rest = bytes(self._part)
        if self._upload is None:
            self._ask(
                partial(
                    self._bucket.put, self._key, rest,
                    headers=self._headers, deadline_s=self._deadline_s,
                )
            )  # fmt: skip
            return
        if rest:
            self._send(rest)
        self._wait()
        self._ask(partial(self._complete, self._upload))
        self._upload = None

    def link(self, *, valid_s: int) -> tuple[str, float]:
        """Return a URL to the object, and when it ends: see `Bucket.link`."""
        return self._bucket.link(self._key, valid_s=valid_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._sender.shutdown()
        if self._upload is not None:
            with suppress(AwsError):
                self._parts.abort(self._upload, deadline_s=time.time() + ABORT_S)

    def _send(self, part: bytes) -> None:
        if self._upload is None:
            begin = partial(
                self._parts.begin, self._key, headers=self._headers, deadline_s=self._deadline_s
            )
            self._upload = self._ask(begin)
        self._wait()
        number = len(self._tags) + 1
        send = partial(self._parts.send, self._upload, number, part, deadline_s=self._deadline_s)
        self._sending = self._sender.submit(self._ask, send)

    def _wait(self) -> None:
        """Wait until the part before is sent."""
        if self._sending is not None:
            self._tags.append(self._sending.result())
            self._sending = None

    def _complete(self, upload: Upload) -> None:
        try:
            self._parts.complete(upload, self._tags, deadline_s=self._deadline_s)
        except Refused as refused:
            # It was completed, and the answer was lost.
            if refused.code != NO_SUCH_UPLOAD or not self._is_there():
                raise

    def _is_there(self) -> bool:
        try:
            size_bytes = self._bucket.size(self._key, deadline_s=self._deadline_s)
        except Refused:
            return False
        return size_bytes == self.size_bytes

    def _ask(self, ask: Callable[[], T]) -> T:
        """Ask until there is an answer; at the deadline raise why there was none before."""
        failure: AwsError = TimedOut("no time is left")
        for wait_s in waits():
            if time.time() >= self._deadline_s:
                break
            try:
                return ask()
            except (Throttled, Unavailable) as error:
                left_s = self._deadline_s - time.time()
                if left_s > 0:
                    failure = error
                    time.sleep(min(wait_s, left_s))
        raise failure
