"""An answer of HTTP/1.1, read whole and in time, or not at all."""

import socket
import time
from dataclasses import dataclass

from sqlatch.kernel.aws.errors import Garbled

HEAD_BYTES_MAX = 64 * 1024
BODY_BYTES_MAX = 256 * 1024 * 1024
PART_BYTES = 64 * 1024

OK = 200
NO_CONTENT = 204
PARTIAL_CONTENT = 206
MULTIPLE_CHOICES = 300
NOT_MODIFIED = 304
PRECONDITION_FAILED = 412
TOO_MANY_REQUESTS = 429
SERVER_ERROR = 500
"""Statuses. The enumeration of the standard library takes longer to load than to write these."""

DIGITS = {10: "0123456789", 16: "0123456789abcdefABCDEF"}
DIGITS_MAX = 16


@dataclass(frozen=True, slots=True)
class Answer:
    """Names of headers are in small letters. `is_last`: the connection takes no other request.

    `is_second`: the request was sent before, over a connection that ended without an answer.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    is_last: bool
    is_second: bool = False


class Reader:
    """The bytes that come over a connection, until `ends_at_s` of the monotonic clock.

    It raises EOFError or OSError where the connection ends, TimeoutError where its time does.
    """

    def __init__(self, connection: socket.socket, ends_at_s: float, *, silence_s: float) -> None:
        self.has_begun = False
        self._connection = connection
        self._ends_at_s = ends_at_s
        self._silence_s = silence_s
        self._buffer = bytearray()

    def answer(self, *, has_body: bool) -> Answer:
        """Read one answer; Garbled if it is not one of HTTP/1.1 or has no length."""
        version, status, headers = self._head()
        while status < OK:
            version, status, headers = self._head()
        if not has_body or status in {NO_CONTENT, NOT_MODIFIED}:
            body = b""
        elif headers.get("transfer-encoding", "").lower() == "chunked":
            body = self._chunks()
        else:
            body = self._exactly(_number(headers.get("content-length", ""), 10))
        closes = "close" in headers.get("connection", "").lower() or version != b"HTTP/1.1"
        return Answer(status, headers, body, is_last=closes or bool(self._buffer))

    def _head(self) -> tuple[bytes, int, dict[str, str]]:
        first, *lines = self._until(b"\r\n\r\n").split(b"\r\n")
        version, _, rest = first.partition(b" ")
        if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit() or rest[3:4].strip():
            raise Garbled(f"not an answer of HTTP: {first[:80]!r}")
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or not name or name != name.strip():
                raise Garbled(f"not a header of HTTP: {line[:80]!r}")
            name, value = name.lower(), value.strip()
            if headers.get(name, value) != value:
                value = f"{headers[name]}, {value}"
            headers[name] = value
        return version, int(rest[:3]), headers

    def _chunks(self) -> bytes:
        body = bytearray()
        while size := _number(self._until(b"\r\n").partition(b";")[0].decode("latin-1"), 16):
            body += self._exactly(size)
            if len(body) > BODY_BYTES_MAX:
                raise Garbled(f"the answer is longer than {BODY_BYTES_MAX} bytes")
            if self._exactly(2) != b"\r\n":
                raise Garbled("a chunk of the answer is longer than it says")
        while self._until(b"\r\n"):
            pass  # trailers
        return bytes(body)

    def _until(self, end: bytes) -> bytes:
        start = 0
        while (found := self._buffer.find(end, start)) < 0:
            if len(self._buffer) > HEAD_BYTES_MAX:
                raise Garbled(f"the head of the answer is longer than {HEAD_BYTES_MAX} bytes")
            start = max(0, len(self._buffer) - len(end))
            self._buffer += self._part()
        text = bytes(self._buffer[:found])
        del self._buffer[: found + len(end)]
        return text

    def _exactly(self, size: int) -> bytes:
        if len(self._buffer) >= size:
            there = bytes(self._buffer[:size])
            del self._buffer[:size]
            return there
        content = bytearray(size)
        have = len(self._buffer)
        content[:have] = self._buffer
        self._buffer.clear()
        view = memoryview(content)
        while have < size:
            self._wait()
            count = self._connection.recv_into(view[have:])
            if not count:
                raise EOFError(f"{have} of {size} bytes came")
            have += count
        return bytes(content)

    def _part(self) -> bytes:
        self._wait()
        part = self._connection.recv(PART_BYTES)
        if not part:
            raise EOFError("nothing more came")
        self.has_begun = True
        return part

    def _wait(self) -> None:
        self._connection.settimeout(left_s(self._ends_at_s, self._silence_s))


def left_s(ends_at_s: float, most_s: float) -> float:
    """Return the time until then on the monotonic clock, `most_s` at most; TimeoutError if none."""
    found_s = ends_at_s - time.monotonic()
    if found_s <= 0:
        raise TimeoutError("no time is left")
    return min(found_s, most_s)


def _number(text: str, base: int) -> int:
    """Return a length, as its sender must write it; Garbled for anything else."""
    text = text.strip()
    if not text or len(text) > DIGITS_MAX or text.strip(DIGITS[base]):
        raise Garbled(f"not the length of an answer: {text[:80]!r}")
    number = int(text, base)
    if number > BODY_BYTES_MAX:
        raise Garbled(f"the answer has {number} bytes, the limit is {BODY_BYTES_MAX}")
    return number
