"""The file of a copy, whole or fetched from a snapshot, has the same bytes."""

import resource
from contextlib import closing
from pathlib import Path

import pytest

from storage.log import copy_file, hydration, ltx
from storage.log.archive import Archive, LtxFile
from storage.log.copy_file import CopyFile, needed
from storage.log.ltx import Damaged, Header, encode
from storage.work import Work

PAGES = 300


def page(number: int, letter: bytes = b"a") -> bytes:
    return letter * 2048 + number.to_bytes(2048, "big")


@pytest.fixture
def snapshot(tmp_path: Path) -> LtxFile:
    header = Header(page_size=4096, pages=PAGES, first=1, last=9, at_ms=0)
    pages = ((number, page(number)) for number in range(1, PAGES + 1))
    return Archive(tmp_path / "ltx").put(9, header, encode(header, pages, literal=True))


@pytest.mark.parametrize("lazy_bytes_min", [0, 1 << 40], ids=["fetched", "written out"])
def test_a_record_is_written_over_the_snapshot(
    tmp_path: Path, snapshot: LtxFile, monkeypatch: pytest.MonkeyPatch, lazy_bytes_min: int
) -> None:
    monkeypatch.setattr(copy_file, "LAZY_BYTES_MIN", lazy_bytes_min)
    file = CopyFile(tmp_path / "db")
    file.open_on(snapshot)
    header = Header(page_size=4096, pages=PAGES - 10, first=10, last=10, at_ms=0)

    file.write(header, [(number, page(number, b"b")) for number in (1, 70, 290)])

    assert (file.vfs is None, file.snapshot) == ((True, None) if lazy_bytes_min else (False, 9))
    if file.vfs is not None:
        assert file._hydrator is not None
        while file._hydrator.fetch_more():
            pass
    expected = {number: page(number) for number in range(1, PAGES - 9)}
    expected |= {number: page(number, b"b") for number in (1, 70, 290)}
    assert (tmp_path / "db").read_bytes() == b"".join(expected[n] for n in sorted(expected))
    file.close()


def test_a_file_that_was_fetched_to_its_end_needs_no_snapshot(
    tmp_path: Path, snapshot: LtxFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy_file, "LAZY_BYTES_MIN", 0)
    file = CopyFile(tmp_path / "db")
    file.open_on(snapshot)
    assert file._hydrator is not None
    while file._hydrator.fetch_more():
        pass
    file.close()

    assert needed(file, lambda: [snapshot]) == snapshot
    file.open_on(snapshot)
    assert (file.vfs, needed(file, list)) == (None, None)
    file.close()


def test_a_file_whose_snapshot_is_gone_is_damaged(
    tmp_path: Path, snapshot: LtxFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy_file, "LAZY_BYTES_MIN", 0)
    file = CopyFile(tmp_path / "db")
    file.open_on(snapshot)
    file.close()

    with pytest.raises(Damaged, match="is gone"):
        needed(file, list)
    file.remove()
    assert needed(file, list) is None
    assert [path.name for path in tmp_path.iterdir()] == ["ltx"]


def test_another_page_size_needs_nothing_of_the_snapshot(
    tmp_path: Path, snapshot: LtxFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy_file, "LAZY_BYTES_MIN", 0)
    file = CopyFile(tmp_path / "db")
    file.open_on(snapshot)
    header = Header(page_size=8192, pages=3, first=1, last=10, at_ms=0)

    file.write(header, [(number, bytes([number]) * 8192) for number in (1, 2, 3)])

    assert file.snapshot is None
    assert (tmp_path / "db").read_bytes() == b"".join(bytes([n]) * 8192 for n in (1, 2, 3))
    file.close()


def test_a_page_that_was_written_in_part_is_an_error(tmp_path: Path) -> None:
    """Else it would be read as it is, since the file is as long as it should be."""
    file = CopyFile(tmp_path / "db")
    file.open()
    header = Header(page_size=4096, pages=2, first=1, last=1, at_ms=0)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096 + 2048, before[1]))
    try:
        with pytest.raises(OSError, match="No space left"):
            file.write(header, [(1, page(1)), (2, page(2))])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        file.close()


@pytest.mark.parametrize("lazy_bytes_min", [0, 1 << 40], ids=["fetched", "written out"])
def test_what_is_fetched_is_counted(
    tmp_path: Path, snapshot: LtxFile, monkeypatch: pytest.MonkeyPatch, lazy_bytes_min: int
) -> None:
    monkeypatch.setattr(copy_file, "LAZY_BYTES_MIN", lazy_bytes_min)
    work = Work()
    with closing(CopyFile(tmp_path / "db", work)) as file:
        file.open_on(snapshot)

        assert work.hydration_ms > 0
        if file.vfs is None:
            assert work.bytes_fetched == snapshot.size_bytes
        else:
            first_block = hydration.BLOCK_BYTES // 4096 * ltx.stride(4096)
            assert work.taken().bytes_fetched == ltx.HEADER.size + first_block
            assert work == Work()
