"""The form in which a log travels from one node to another: records and names of files over HTTP.

    GET /-/log                                          the databases and their sizes
    GET /-/log/{database}?after=&log=&wait_ms=&offset=  records, one behind the other; 410: Gone
    GET /-/log/{database}/files?base=                   the files that a copy begins with
    GET /-/log/{database}/files/{path}?first=&bytes=    a part of one
    GET /-/log/.key                                     the keys of batons and of tokens
    GET /-/log/{database}/.key                          the key for those of one database

A record is its length in 4 bytes, big-endian, then the record, an LTX file, which is checked whole.
An answer is cut after ANSWER_BYTES_MAX; whoever got only a part of the first record asks for the
rest of it with `offset`.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from storage.log.archive import LtxFile

ANSWER_BYTES_MAX = 4 << 20
"""Of records or of a file in one answer: as base64 it fits into what Lambda takes back, 6 MB."""

LOG_ID = "sqlatch-log"
BASE = "sqlatch-log-base"
LAST = "sqlatch-log-last"
"""Headers: the id of the log, the snapshot that it goes on behind, and the position of the newest
record, if it is known; all in hex. Whoever has not reached that asks again."""

WAITED = "sqlatch-log-waited-ms"
"""Header: how long after the question the log was read the last time. It may be less than was asked
for: WAIT_S_MAX, or what the node gives a request."""

GONE = 410
NOT_FOUND = 404

WAIT_S_MAX = 20.0
"""The longest that a question waits for a record."""

_LENGTH = struct.Struct(">I")


def packed(contents: Iterable[bytes], size_bytes: int) -> bytes:
    """Return records one behind the other, until they have that size."""
    body = bytearray()
    for content in contents:
        body += _LENGTH.pack(len(content)) + content
        if len(body) >= size_bytes:
            break
    return bytes(body)


def unpacked(body: bytes) -> Iterator[bytes]:
    """Yield the records that are whole."""
    start = 0
    while start + _LENGTH.size <= len(body):
        (length,) = _LENGTH.unpack_from(body, start)
        start += _LENGTH.size
        if start + length > len(body):
            return
        yield body[start : start + length]
        start += length


def has_one(body: bytes) -> bool:
    """Return whether the first record is whole."""
    return next(unpacked(body), None) is not None


def file_out(file: LtxFile, path: str) -> dict[str, str | int | float]:
    """Return a file as JSON, under its path below the directory of the files."""
    return {
        "path": path,
        "level": file.level,
        "first": file.first,
        "last": file.last,
        "bytes": file.size_bytes,
        "at_ms": file.at_ms,
        "written_s": min(file.written_s, 1e300),  # JSON has no infinity
    }


def file_in(said: Mapping[str, str | int | float]) -> dict[str, object]:
    """Return the fields of such a file."""
    written_s = float(said["written_s"])
    return {
        "path": Path(str(said["path"])),
        "level": int(said["level"]),
        "first": int(said["first"]),
        "last": int(said["last"]),
        "size_bytes": int(said["bytes"]),
        "at_ms": int(said["at_ms"]),
        "written_s": float("inf") if written_s >= 1e300 else written_s,  # noqa: PLR2004
    }
