"""LTX, version 3: the file format of a transaction, of several in one, and of a whole database.

As Litestream 0.5 writes it: each page is an LZ4 block, and there is no checksum of the database
(flag 2), only one of the file. A header of 100 bytes, a frame for each page in ascending order, six
zero bytes, an index of the frames, and the checksum. https://github.com/superfly/ltx
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import IO

import lz4.block
from fastcrc import crc64

PAGE_SIZES = frozenset(512 << power for power in range(8))

HEADER = struct.Struct(">4sIIIQQQ60x")
"""Magic, flags, page size, pages, first, last, milliseconds. Of the rest, nothing applies here."""

FRAME = struct.Struct(">IHI")
"""Before each page: its number, flags, and the length of its LZ4 block."""

TRAILER = struct.Struct(">QQ")
"""The checksum of the database, which is not kept, and that of the file."""

INDEX_PAGES = 10_000
TAIL_BYTES = 1 << 20
"""The pieces in which the index is written and read: it has 14 bytes for each page."""

_MAGIC = b"LTX1"
_NO_CHECKSUM = 2
_HAS_LENGTH = 1
_CHECKSUM_FLAG = 1 << 63
_LOCK_OFFSET = 1 << 30
_END_OF_FRAMES = bytes(6)

_checksum = crc64.go_iso


class Damaged(ValueError):
    """The bytes are not a whole LTX file: another file, or one that was cut or altered."""


@dataclass(frozen=True, slots=True)
class Header:
    """A file holds the transactions `first` to `last`; `pages` is the database's size after them.

    A file that begins with transaction 1 holds every page of the database. One of no pages is the
    deletion of the database.
    """

    page_size: int
    pages: int
    first: int
    last: int
    at_ms: int

    def __post_init__(self) -> None:
        if self.page_size not in PAGE_SIZES:
            raise ValueError(f"{self.page_size} is no page size")
        if self.pages < (not self.is_snapshot):
            raise ValueError("a database of no pages")
        if not 1 <= self.first <= self.last:
            raise ValueError(f"transactions {self.first} to {self.last}")

    @property
    def is_snapshot(self) -> bool:
        return self.first == 1


def lock_page(page_size: int) -> int:
    """Return the page that SQLite locks, at 1 GiB. It never has content and is never in a file."""
    return _LOCK_OFFSET // page_size + 1


def stride(page_size: int) -> int:
    """Return the length of a frame in a literal file, where all have the same."""
    return FRAME.size + len(_literal(page_size)) + page_size


def offset_of(page: int, page_size: int) -> int:
    """Return where the frame of a page begins in a literal file that is a snapshot."""
    return HEADER.size + (page - 1 - (page > lock_page(page_size))) * stride(page_size)


def page_at(offset: int, page_size: int) -> int:
    """Return the page in whose frame an offset lies, in a literal file that is a snapshot."""
    page = (offset - HEADER.size) // stride(page_size) + 1
    return page + (page >= lock_page(page_size))


def encode(
    header: Header, pages: Iterable[tuple[int, bytes]], *, literal: bool = False
) -> Iterator[bytes]:
    """Return a file of pages in ascending order, in pieces.

    `literal` stores each page uncompressed, so that all frames have one length and a page can be
    found without an index. ValueError for pages that such a file cannot have.
    """
    head = HEADER.pack(
        _MAGIC,
        _NO_CHECKSUM,
        header.page_size,
        header.pages,
        header.first,
        header.last,
        header.at_ms,
    )
    yield head
    checksum, offset = _checksum(head), len(head)
    index = None if literal and header.is_snapshot else bytearray()
    prefix, previous = _literal(header.page_size), 0
    for page, content in pages:
        previous = _next_page(header, previous, page)
        _check_length(header, page, content)
        block = prefix + content if literal else lz4.block.compress(content, store_size=False)
        frame = FRAME.pack(page, _HAS_LENGTH, len(block))
        yield frame + block
        checksum = _checksum(content, _checksum(frame, checksum))
        length = len(frame) + len(block)
        if index is not None:
            index += _indexed(page, offset, length)
        offset += length
    _check_last(header, previous)
    for piece in _tail(_literal_index(header) if index is None else [bytes(index)]):
        yield piece
        checksum = _checksum(piece, checksum)
    yield struct.pack(">Q", checksum | _CHECKSUM_FLAG)


def header_of(content: bytes) -> Header:
    """Return the header of a file that may be longer. It is not checked by itself. Damaged."""
    try:
        magic, flags, *facts = HEADER.unpack_from(content)
        if magic != _MAGIC or flags != _NO_CHECKSUM:
            raise Damaged(f"not an LTX file without a database checksum: {content[:8].hex()}")
        return Header(*facts)
    except Damaged:
        raise
    except (struct.error, ValueError) as error:
        raise Damaged(f"the header of an LTX file: {error}") from error


def decode(content: bytes) -> tuple[Header, dict[int, bytes]]:
    """Return the header of a whole file, and its pages in ascending order. Damaged.

    The checksum is over the pages, not over their compressed form: an altered byte there may go
    unnoticed if it decompresses to the same page.
    """
    header, pages = scan(BytesIO(content))
    return header, dict(pages)


def scan(stream: IO[bytes]) -> tuple[Header, Iterator[tuple[int, bytes]]]:
    """Return the header of the file in a stream, and its pages one after the other. Damaged.

    The checksum is compared behind the last page: only then is what came before it right.
    """
    head = stream.read(HEADER.size)
    header = header_of(head)
    return header, _scanned(header, stream, _checksum(head))


def literal_pages(content: bytes, first: int, page_size: int) -> Iterator[tuple[int, bytes]]:
    """Return the pages of consecutive frames of a literal file; the first is of page `first`.

    Damaged if a frame is not that of its page.
    """
    length = stride(page_size)
    prefix = _literal(page_size)
    page = first
    for offset in range(0, len(content), length):
        page += page == lock_page(page_size)
        head = FRAME.pack(page, _HAS_LENGTH, length - FRAME.size) + prefix
        if len(content) < offset + length or not content.startswith(head, offset):
            raise Damaged(f"the frame of page {page} in a snapshot")
        yield page, content[offset + len(head) : offset + length]
        page += 1


def _tail(index: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what stands between the last frame and the checksum."""
    yield _END_OF_FRAMES
    length = 1
    for piece in index:
        yield piece
        length += len(piece)
    yield bytes(1) + struct.pack(">Q", length) + bytes(8)


def _literal_index(header: Header) -> Iterator[bytes]:
    """Yield the index of a literal snapshot, for whose length there need not be memory."""
    size, lock = header.page_size, lock_page(header.page_size)
    for first in range(1, header.pages + 1, INDEX_PAGES):
        pages = range(first, min(first + INDEX_PAGES, header.pages + 1))
        yield b"".join(
            _indexed(page, offset_of(page, size), stride(size)) for page in pages if page != lock
        )


def _indexed(page: int, offset: int, length: int) -> bytes:
    return _uvarint(page) + _uvarint(offset) + _uvarint(length)


def _scanned(header: Header, stream: IO[bytes], checksum: int) -> Iterator[tuple[int, bytes]]:
    previous = 0
    try:
        while not (frame := stream.read(FRAME.size)).startswith(_END_OF_FRAMES):
            page, flags, length = FRAME.unpack(frame)
            if flags != _HAS_LENGTH:
                raise Damaged(f"the frame of page {page} has the flags {flags}")
            previous = _next_page(header, previous, page)
            content = lz4.block.decompress(stream.read(length), uncompressed_size=header.page_size)
            _check_length(header, page, content)
            checksum = _checksum(content, _checksum(frame, checksum))
            yield page, content
        _check_last(header, previous)
        tail = frame
        while more := stream.read(TAIL_BYTES):
            checksum = _checksum(tail[: -TRAILER.size], checksum)
            tail = tail[-TRAILER.size :] + more
        database, expected = TRAILER.unpack(tail[-TRAILER.size :])
        if database or _checksum(tail[:-8], checksum) | _CHECKSUM_FLAG != expected:
            raise Damaged("the checksum of an LTX file does not match")
    except Damaged:
        raise
    except (struct.error, lz4.block.LZ4BlockError, ValueError) as error:
        raise Damaged(f"an LTX file: {error}") from error


def _next_page(header: Header, previous: int, page: int) -> int:
    """Return the page if it may follow the one before it in such a file."""
    lock = lock_page(header.page_size)
    if page == lock:
        raise ValueError(f"page {page} is the lock page")
    if not previous < page <= header.pages:
        raise ValueError(f"page {page} after {previous}, of {header.pages}")
    if header.is_snapshot and page != previous + 1 + (previous + 1 == lock):
        raise ValueError(f"a snapshot without the pages between {previous} and {page}")
    return page


def _check_length(header: Header, page: int, content: bytes) -> None:
    if len(content) != header.page_size:
        raise ValueError(f"page {page} has {len(content)} bytes, not {header.page_size}")


def _check_last(header: Header, last: int) -> None:
    """A snapshot ends with the last page of the database."""
    end = header.pages - (header.pages == lock_page(header.page_size))
    if header.is_snapshot and last != end:
        raise ValueError(f"a snapshot that ends with page {last}, of {header.pages}")


def _literal(page_size: int) -> bytes:
    """Return what stands before a page that is one literal run of an LZ4 block."""
    rest = page_size - 15
    return b"\xf0" + b"\xff" * (rest // 255) + bytes([rest % 255])


def _uvarint(number: int) -> bytes:
    encoded = bytearray()
    while number >> 7:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
