"""The form of records and of files on their way to another node."""

from dataclasses import replace
from pathlib import Path

from storage.follower import wire
from storage.log.archive import LIES_READY_S, LtxFile

FILE = LtxFile(Path("main/ltx/1/2-3.ltx"), 1, 2, 3, size_bytes=400, at_ms=5, written_s=6.5)


def test_records_come_back_as_they_were() -> None:
    contents = [b"one", b"", b"three" * 1000]
    assert list(wire.unpacked(wire.packed(contents, 1 << 20))) == contents


def test_a_record_that_is_cut_is_left_out() -> None:
    body = wire.packed([b"one", b"two"], 1 << 20)
    for length in range(len(body)):
        whole = list(wire.unpacked(body[:length]))
        assert whole == [b"one"] * (length >= 7)


def test_it_is_known_whether_the_first_record_is_whole() -> None:
    body = wire.packed([b"one", b"two"], 1 << 20)
    assert [wire.has_one(body[:length]) for length in (0, 3, 6, 7, 8)] == [
        False,
        False,
        False,
        True,
        True,
    ]


def test_a_file_comes_back_under_its_path() -> None:
    for file in (FILE, replace(FILE, written_s=LIES_READY_S)):
        said = wire.file_in(wire.file_out(file, "1/2-3.ltx"))
        assert LtxFile(**said) == replace(file, path=Path("1/2-3.ltx"))  # type: ignore[arg-type]
