"""The LTX format: what is encoded is decoded, and what was altered is refused."""

import struct
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.log import ltx

PAGE_SIZES = sorted(ltx.PAGE_SIZES)
TWO_64 = 1 << 64


def file_of(header: ltx.Header, pages: Iterable[tuple[int, bytes]], *, literal: bool) -> bytes:
    return b"".join(ltx.encode(header, pages, literal=literal))


def patterned(page: int, page_size: int) -> bytes:
    """Return a page of which some can be compressed and some cannot."""
    noise = bytes((page * 31 + at * at * 7 + at // 3) % 251 for at in range(page_size // 2))
    return noise.ljust(page_size, b"\0")


def whole_database(page_size: int, pages: int) -> dict[int, bytes]:
    return {page: patterned(page, page_size) for page in range(1, pages + 1)}


@st.composite
def files(draw: st.DrawFn) -> tuple[ltx.Header, dict[int, bytes]]:
    page_size = draw(st.sampled_from(PAGE_SIZES))
    lock = ltx.lock_page(page_size)
    is_snapshot = draw(st.booleans())
    if is_snapshot:
        pages = draw(st.integers(1, 5))
        numbers = set(range(1, pages + 1))
    else:
        pages = draw(st.integers(lock + 1, 2**32 - 1) | st.just(lock + 1))
        near = st.integers(lock - 3, lock + 3).filter(lambda page: page <= pages)
        numbers = draw(st.sets(st.integers(1, pages) | near, max_size=5)) - {lock}
    first = 1 if is_snapshot else draw(st.integers(2, TWO_64 - 1))
    header = ltx.Header(
        page_size=page_size,
        pages=pages,
        first=first,
        last=draw(st.integers(first, TWO_64 - 1)),
        at_ms=draw(st.integers(0, TWO_64 - 1)),
    )
    content = st.binary(max_size=64).map(lambda start: start.ljust(page_size, b"\0"))
    noise = st.randoms().map(lambda random: random.randbytes(page_size))
    return header, {page: draw(content | noise) for page in sorted(numbers)}


@given(file=files(), literal=st.booleans())
@settings(deadline=None)
def test_what_is_encoded_is_decoded(
    file: tuple[ltx.Header, dict[int, bytes]], *, literal: bool
) -> None:
    header, pages = file

    content = file_of(header, pages.items(), literal=literal)

    assert ltx.decode(content) == (header, pages)
    assert ltx.header_of(content) == header
    assert list(ltx.decode(content)[1]) == sorted(pages)


@pytest.mark.parametrize("literal", [False, True])
def test_every_truncation_is_damaged(*, literal: bool) -> None:
    header = ltx.Header(page_size=512, pages=3, first=1, last=4, at_ms=5)
    content = file_of(header, whole_database(512, 3).items(), literal=literal)

    for length in range(len(content)):
        with pytest.raises(ltx.Damaged):
            ltx.decode(content[:length])
    with pytest.raises(ltx.Damaged):
        ltx.decode(content + b"\0")


@pytest.mark.parametrize("literal", [False, True])
@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_every_altered_byte_is_damaged_or_changes_nothing(flip: int, *, literal: bool) -> None:
    header = ltx.Header(page_size=512, pages=3, first=1, last=4, at_ms=5)
    content = file_of(header, whole_database(512, 3).items(), literal=literal)
    whole = ltx.decode(content)
    unnoticed = []

    for at in range(len(content)):
        altered = bytearray(content)
        altered[at] ^= flip
        try:
            assert ltx.decode(bytes(altered)) == whole
            unnoticed.append(at)
        except ltx.Damaged:
            pass

    # A block of LZ4 can be written in several ways; a header, a frame and an index cannot.
    assert not [at for at in unnoticed if at < ltx.HEADER.size + ltx.FRAME.size]
    assert len(unnoticed) < len(content) // 50


@pytest.mark.parametrize("page_size", PAGE_SIZES)
def test_the_lock_page_is_refused(page_size: int) -> None:
    lock = ltx.lock_page(page_size)
    header = ltx.Header(page_size=page_size, pages=lock + 1, first=2, last=2, at_ms=0)
    page = bytes(page_size)
    neighbours = {lock - 1: page, lock + 1: page}

    with pytest.raises(ValueError, match="lock page"):
        file_of(header, {lock: page}.items(), literal=False)

    content = file_of(header, neighbours.items(), literal=False)
    frame = struct.pack(">I", lock + 1)
    with pytest.raises(ltx.Damaged, match="lock page"):
        ltx.decode(content.replace(frame, struct.pack(">I", lock), 2))
    assert ltx.decode(content)[1] == neighbours


def test_the_lock_page_lies_where_sqlite_has_its_locks() -> None:
    assert ltx.lock_page(4096) == 262_145
    assert ltx.lock_page(512) == 2_097_153
    assert ltx.lock_page(65_536) == 16_385


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ([1, 2, 4], "page 4 after 2, of 3"),
        ([2, 1, 3], "without the pages between 0 and 2"),
        ([1, 1, 2, 3], "page 1 after 1"),
        ([0, 1, 2, 3], "page 0 after 0"),
        ([1, 3], "without the pages between 1 and 3"),
        ([1, 2], "ends with page 2, of 3"),
        ([], "ends with page 0, of 3"),
    ],
)
def test_a_snapshot_has_every_page_once(numbers: list[int], message: str) -> None:
    header = ltx.Header(page_size=512, pages=3, first=1, last=1, at_ms=0)

    with pytest.raises(ValueError, match=message):
        file_of(header, [(page, bytes(512)) for page in numbers], literal=False)


def test_a_page_of_another_size_is_refused() -> None:
    header = ltx.Header(page_size=512, pages=3, first=2, last=2, at_ms=0)

    with pytest.raises(ValueError, match="page 2 has 511 bytes, not 512"):
        file_of(header, [(2, bytes(511))], literal=False)


@pytest.mark.parametrize(
    "facts",
    [
        {"page_size": 1000},
        {"page_size": 256},
        {"page_size": 131_072},
        {"pages": 0, "first": 2},
        {"first": 0},
        {"first": 3},
    ],
)
def test_a_header_that_cannot_be_is_refused(facts: dict[str, int]) -> None:
    header = {"page_size": 512, "pages": 3, "first": 1, "last": 2, "at_ms": 0} | facts
    packed = ltx.HEADER.pack(b"LTX1", 2, *header.values())

    with pytest.raises(ValueError, match=r"\d|no pages"):
        ltx.Header(**header)
    with pytest.raises(ltx.Damaged):
        ltx.header_of(packed)


@pytest.mark.parametrize("content", [b"", b"LTX1", b"SQLite format 3\0" * 20, bytes(200)])
def test_another_file_is_damaged(content: bytes) -> None:
    with pytest.raises(ltx.Damaged):
        ltx.header_of(content)
    with pytest.raises(ltx.Damaged):
        ltx.decode(content)


@given(content=st.binary(max_size=300))
def test_any_bytes_behind_a_header_are_damaged(content: bytes) -> None:
    header = ltx.HEADER.pack(b"LTX1", 2, 512, 3, 2, 2, 0)

    with pytest.raises(ltx.Damaged):
        ltx.decode(header + content)


@pytest.mark.parametrize("page_size", PAGE_SIZES)
def test_a_page_of_a_literal_snapshot_lies_at_a_computable_place(page_size: int) -> None:
    pages = whole_database(page_size, 4)
    header = ltx.Header(page_size=page_size, pages=4, first=1, last=9, at_ms=0)

    content = file_of(header, pages.items(), literal=True)

    frames = content[ltx.offset_of(2, page_size) : ltx.offset_of(4, page_size)]
    assert len(frames) == 2 * ltx.stride(page_size)
    assert dict(ltx.literal_pages(frames, 2, page_size)) == {2: pages[2], 3: pages[3]}


@pytest.mark.parametrize("page_size", PAGE_SIZES)
def test_a_literal_snapshot_goes_on_behind_the_lock_page(page_size: int) -> None:
    lock = ltx.lock_page(page_size)
    around = {lock - 1: bytes(page_size), lock + 1: patterned(9, page_size)}
    header = ltx.Header(page_size=page_size, pages=lock + 1, first=2, last=9, at_ms=0)
    content = file_of(header, around.items(), literal=True)
    frames = content[ltx.HEADER.size :][: 2 * ltx.stride(page_size)]

    between = ltx.offset_of(lock + 1, page_size) - ltx.offset_of(lock - 1, page_size)

    assert between == ltx.stride(page_size)
    assert dict(ltx.literal_pages(frames, lock - 1, page_size)) == around


@pytest.mark.parametrize("change", ["another page", "cut", "altered"])
def test_a_frame_that_is_not_of_its_page_is_damaged(change: str) -> None:
    header = ltx.Header(page_size=512, pages=4, first=1, last=9, at_ms=0)
    content = file_of(header, whole_database(512, 4).items(), literal=True)
    frames = content[ltx.offset_of(2, 512) : ltx.offset_of(4, 512)]
    first = 2
    if change == "another page":
        first = 1
    elif change == "cut":
        frames = frames[:-1]
    else:
        frames = bytes([frames[0] ^ 1]) + frames[1:]

    with pytest.raises(ltx.Damaged, match="the frame of page"):
        list(ltx.literal_pages(frames, first, 512))


def test_the_bytes_are_those_that_litestream_reads() -> None:
    header = ltx.Header(page_size=512, pages=2, first=3, last=4, at_ms=5)
    content = file_of(header, [(2, bytes(512))], literal=False)

    assert (
        content.hex()
        == (
            "4c545831"
            "00000002"
            "00000200"
            "00000002" + "0000000000000003"  # LTX1, flags, page size, pages
            "0000000000000004"
            "0000000000000005"  # first, last, milliseconds
            + "00"
            * 60  # of checksum, WAL and node
            + "000000020001"
            "0000000c"
            "1f000100ffe8500000000000"  # page 2
            + "000000000000"  # no more pages
            + "02"
            "64"
            "16"
            "00"
            "0000000000000004"  # the index, and its length
             + "0000000000000000"
            "adf540ff9ec94134"  # checksums: of no database, of the file
        )
    )


@pytest.mark.parametrize("page_size", [512, 65_536])
def test_the_page_at_an_offset_is_the_one_whose_frame_is_there(page_size: int) -> None:
    lock = ltx.lock_page(page_size)
    for page in (1, 2, lock - 1, lock + 1, lock + 2):
        offset = ltx.offset_of(page, page_size)

        assert ltx.page_at(offset, page_size) == page
        assert ltx.page_at(offset + ltx.stride(page_size) - 1, page_size) == page
