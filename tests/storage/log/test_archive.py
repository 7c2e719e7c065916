"""The files of a log: their names and times, what a new instance begins from, and no torn ones."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sqlatch.kernel.errors import StorageError
from storage.log import ltx
from storage.log.archive import Archive, LtxFile

AT_MS = 1_700_000_000_123


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "main" / "ltx")


def put(archive: Archive, level: int, first: int, last: int) -> LtxFile:
    header = ltx.Header(page_size=512, pages=1, first=first, last=last, at_ms=AT_MS)
    return archive.put(level, header, ltx.encode(header, [(1, bytes(512))]))


def spans(files: list[LtxFile] | tuple[LtxFile, ...]) -> list[tuple[int, int, int]]:
    return [(file.level, file.first, file.last) for file in files]


def everything_in(archive: Archive) -> list[str]:
    return sorted(str(path.relative_to(archive.directory)) for path in archive.directory.rglob("*"))


def test_the_files_have_the_names_and_times_of_a_litestream_replica(archive: Archive) -> None:
    file = put(archive, 1, 11, 300)

    assert everything_in(archive) == ["1", "1/000000000000000b-000000000000012c.ltx"]
    assert (file.level, file.first, file.last, file.at_ms) == (1, 11, 300, AT_MS)
    assert file.size_bytes == len(file.path.read_bytes())
    assert archive.files() == [file]


def test_an_archive_without_a_directory_is_empty(archive: Archive) -> None:
    assert archive.files() == []
    assert archive.start() is None
    archive.delete_unfinished(written_by_s=2e9)


@pytest.mark.parametrize(
    ("files", "tail"),
    [
        ([(9, 1, 10)], []),
        ([(9, 1, 4), (9, 1, 10), (1, 5, 10)], []),
        ([(9, 1, 10), (1, 11, 20), (1, 21, 21)], [(1, 11, 20), (1, 21, 21)]),
        # Two instances merged at the same time; one of them saw more.
        ([(9, 1, 10), (1, 11, 20), (1, 11, 25), (1, 21, 30)], [(1, 11, 25), (1, 21, 30)]),
        ([(9, 1, 10), (1, 11, 20), (1, 21, 30), (2, 11, 30)], [(2, 11, 30)]),
        # What begins before the snapshot goes beyond it.
        ([(9, 1, 10), (1, 8, 12), (1, 13, 14)], [(1, 8, 12), (1, 13, 14)]),
        # What does not follow is not taken.
        ([(9, 1, 10), (1, 12, 20)], []),
    ],
)
def test_a_new_instance_begins_from_the_newest_snapshot_and_goes_as_far_as_it_can(
    archive: Archive, files: list[tuple[int, int, int]], tail: list[tuple[int, int, int]]
) -> None:
    for level, first, last in files:
        put(archive, level, first, last)

    start = archive.start()

    assert start is not None
    assert spans([start.snapshot]) == [(9, 1, 10)]
    assert spans(start.tail) == tail
    assert start.last == (tail[-1][2] if tail else 10)


def test_the_start_at_a_time_knows_only_what_was_written_by_then(archive: Archive) -> None:
    first = put(archive, 9, 1, 4)
    os.utime(first.path)  # sets the time of its last change of status too
    between = archive.files()[0].written_s

    put(archive, 9, 1, 5)

    assert archive.start(lambda file: file.written_s <= between - 1) is None
    start = archive.start(lambda file: file.written_s <= between)
    assert start is not None
    assert start.last in (4, 5)  # within one tick of the clock both are there


def test_a_file_that_is_there_is_kept(archive: Archive) -> None:
    file = put(archive, 9, 1, 4)
    with file.path.open("rb") as reading:
        assert put(archive, 9, 1, 4) == file

        assert os.fstat(reading.fileno()).st_nlink == 1


def test_a_file_that_could_not_be_written_whole_is_not_there(archive: Archive) -> None:
    header = ltx.Header(page_size=512, pages=1, first=1, last=4, at_ms=0)

    def pieces() -> Iterator[bytes]:
        yield b"LTX1"
        raise ltx.Damaged("in the middle")

    with pytest.raises(ltx.Damaged):
        archive.put(9, header, pieces())

    assert everything_in(archive) == ["9"]


def test_what_a_dead_process_left_is_deleted_later(archive: Archive) -> None:
    file = put(archive, 9, 1, 4)
    left = file.path.with_name(f".{file.path.name}.0123.arriving")
    left.write_bytes(b"LTX1")

    assert archive.files() == [file]
    archive.delete_unfinished(left.stat().st_ctime - 1)
    assert left.exists()
    archive.delete_unfinished(left.stat().st_ctime)

    assert not left.exists()
    assert archive.files() == [file]


def test_a_snapshot_that_no_log_began_behind_is_deleted_later(archive: Archive) -> None:
    lost = put(archive.arriving(b"lost"), 9, 1, 1)
    now_s = lost.path.stat().st_ctime

    # It may be the only one that there is.
    archive.delete_unfinished(now_s)
    assert lost.path.exists()
    file = put(archive, 9, 1, 4)
    archive.delete_unfinished(now_s - 1)
    assert lost.path.exists()
    archive.delete_unfinished(now_s)

    assert everything_in(archive) == ["9", f"9/{file.path.name}"]


def test_a_snapshot_that_a_log_may_still_begin_behind_is_kept(archive: Archive) -> None:
    """Its maker may be frozen before the step that commits it, for however long."""
    put(archive, 9, 1, 4)
    waiting = put(archive.arriving(b"next"), 9, 1, 5)
    now_s = waiting.path.stat().st_ctime

    archive.delete_unfinished(now_s)
    assert waiting.path.exists()

    put(archive, 1, 5, 5)
    archive.delete_unfinished(now_s)
    assert not waiting.path.exists()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, str]]:
    """The calls that change directories or sync them, in order, with the path."""
    calls: list[tuple[str, str]] = []

    def noting(name: str) -> None:
        call = getattr(os, name)

        def noted(first: int | str, *rest: object) -> object:
            path = Path(f"/proc/self/fd/{first}").readlink() if isinstance(first, int) else first
            result = call(first, *rest)
            calls.append((name, str(Path(path).relative_to(tmp_path))))
            return result

        monkeypatch.setattr(os, name, noted)

    for name in ("mkdir", "rename", "replace", "fsync"):
        noting(name)
    return calls


def is_synced(directory: str, *, after: tuple[str, str], calls: list[tuple[str, str]]) -> bool:
    return ("fsync", directory) in calls[calls.index(after) :]


def test_a_directory_that_is_made_for_a_snapshot_is_kept_by_the_disk(
    archive: Archive, calls: list[tuple[str, str]]
) -> None:
    file = put(archive.arriving(b"base"), 9, 1, 1)

    arriving = f"main/ltx/base-{b'base'.hex()}"
    for path in ("main/ltx", arriving, f"{arriving}/9"):
        assert is_synced(str(Path(path).parent), after=("mkdir", path), calls=calls)

    calls.clear()
    archive.adopt(b"base")

    assert is_synced("main/ltx", after=("mkdir", "main/ltx/9"), calls=calls)
    renamed = ("rename", f"{arriving}/9/{file.path.name}")
    assert is_synced("main/ltx/9", after=renamed, calls=calls)


def test_other_files_are_not_looked_at(archive: Archive) -> None:
    file = put(archive, 1, 1, 4)
    (file.path.parent / "README").touch()
    (file.path.parent / "0001-0002.ltx").touch()
    (archive.directory / "lost+found").mkdir()
    (archive.directory / "lost+found" / file.path.name).touch()
    # As a file that is deleted between the list of names and the look at it.
    (file.path.parent / "0000000000000002-0000000000000003.ltx").symlink_to("nowhere")

    assert archive.files() == [file]


def test_a_directory_that_is_a_file_is_a_storage_error(archive: Archive) -> None:
    archive.directory.parent.mkdir()
    archive.directory.touch()

    with pytest.raises(StorageError, match="Not a directory"):
        archive.files()
    with pytest.raises(StorageError):
        put(archive, 9, 1, 4)


def test_files_that_are_open_are_read_though_they_are_deleted(archive: Archive) -> None:
    files = [put(archive, 1, 1, 4), put(archive, 1, 5, 6)]

    with archive.opened(files) as streams:
        archive.delete(files)
        assert [ltx.header_of(stream.read()).last for stream in streams] == [4, 6]

    with pytest.raises(StorageError, match="No such file"), archive.opened(files):
        pass


def test_files_are_deleted_though_some_are_gone(archive: Archive) -> None:
    files = [put(archive, 1, 1, 4), put(archive, 1, 5, 6)]
    files[0].path.unlink()

    archive.delete(files)

    assert archive.files() == []
