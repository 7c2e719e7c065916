"""One segment: its records are whole, or the damage is told."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sqlatch.kernel.errors import DatabaseCorrupt, StorageError
from storage.log.log import Gone, Place
from storage.log.segment import CHUNK_BYTES, HEADER_BYTES, SEALED_BYTES, Segment, encoded_record
from tests.storage.log.logs import (
    DEADLINE_S,
    ID,
    OTHER_ID,
    altered,
    commit,
    contents,
    counted_calls,
    everything,
    log_in,
    newest,
    ready,
    write,
)

Case = tuple[Callable[[Path], object], type[Exception], str]


def test_a_large_record_is_written_and_read_in_chunks(root: Path) -> None:
    writer, reader = log_in(root), log_in(root)
    commit(writer, b"one")
    reader.sync(DEADLINE_S)

    with counted_calls() as appended:
        writer.append(ID, os.urandom(3 << 20))
    with counted_calls() as one_new:
        assert len(reader.sync(DEADLINE_S)) == 1

    assert appended == ["pwrite"] * 4 + ["statx"]
    assert one_new == ["pread"] * 3 + ["statx"]


def test_a_record_damaged_in_the_middle_is_told_with_its_place(root: Path) -> None:
    log = log_in(root)
    commit(log, b"one", b"two" * 10, b"three", b"four")
    first, second = (record.end.offset for record in log_in(root).sync(DEADLINE_S)[:2])
    content = newest(root).read_bytes()

    for offset in range(first, second):
        newest(root).write_bytes(altered(content, offset))
        if offset >= second - 2:
            # What fills it up to a multiple of 8 has no check.
            assert len(everything(root)) == 4
            continue
        with pytest.raises(DatabaseCorrupt) as refusal:
            everything(root)
        assert refusal.value.facts == {"path": str(newest(root)), "offset": first}
        # A writer does not cut off what stands behind it.
        with pytest.raises(DatabaseCorrupt):
            ready(log_in(root), seal=True)
        assert [path.name for path in root.iterdir()] == [newest(root).name]


def test_a_record_damaged_in_a_sealed_segment_is_told(root: Path) -> None:
    log = log_in(root)
    commit(log, b"one", b"two")
    path, (first, second) = newest(root), log_in(root).sync(DEADLINE_S)
    content = path.read_bytes()
    ready(log, seal=True)

    for damaged in (altered(content, second.end.offset - 20), content[:-8], content[:100]):
        path.write_bytes(damaged)
        os.truncate(path, SEALED_BYTES)
        with pytest.raises(DatabaseCorrupt, match="whole records end here with record"):
            everything(root)
    assert first.end.offset < second.end.offset


def test_a_large_hole_does_not_hide_a_damage(root: Path) -> None:
    """A record is searched for where the length of the damaged one cannot be known."""
    log = log_in(root)
    commit(log, b"one", os.urandom(5 << 20), b"three")
    (first, _second, _third) = log_in(root).sync(DEADLINE_S)
    write(newest(root), first.end.offset, bytes(36))

    with pytest.raises(DatabaseCorrupt, match="record 2 is damaged"):
        everything(root)


def test_a_damaged_header_is_told(root: Path) -> None:
    commit(log_in(root), b"one")
    content = newest(root).read_bytes()

    for offset in range(HEADER_BYTES):
        newest(root).write_bytes(altered(content, offset))
        with pytest.raises(DatabaseCorrupt, match="the header of a segment is damaged"):
            everything(root)


def test_a_segment_of_another_database_is_told(root: Path) -> None:
    log = log_in(root, database_id=ID)
    commit(log, b"one")
    other = log_in(root.with_name("other"), database_id=OTHER_ID)
    commit(other, b"foreign")
    commit(other, b"foreign", seal=True)
    newest(root.with_name("other")).rename(root / f"{2:016x}.seg")
    os.truncate(root / f"{1:016x}.seg", SEALED_BYTES)

    with pytest.raises(DatabaseCorrupt, match="belongs to another database"):
        log.sync(DEADLINE_S)
    with pytest.raises(Gone, match="another log than that of the copy"):
        log_in(root, database_id=OTHER_ID).sync(DEADLINE_S)


def test_a_segment_under_the_name_of_another_is_told(root: Path) -> None:
    commit(log_in(root), b"one")
    newest(root).rename(root / f"{3:016x}.seg")

    with pytest.raises(DatabaseCorrupt, match="the epoch is 1, not 3"):
        everything(root)


def test_what_is_no_segment_is_a_named_error(root: Path) -> None:
    cases: list[Case] = [
        (Path.mkdir, StorageError, "Is a directory"),
        (os.mkfifo, StorageError, "Illegal seek"),
        (lambda path: path.symlink_to("/etc/passwd"), StorageError, "Too many levels"),
        (lambda path: path.write_bytes(b"SQLite format 3" * 100), DatabaseCorrupt, "is none"),
        (lambda path: path.write_bytes(b""), DatabaseCorrupt, "is none"),
    ]
    for number, (make, error, message) in enumerate(cases):
        path = root.with_name(f"log{number}")
        path.mkdir(parents=True)
        make(path / f"{1:016x}.seg")
        with pytest.raises(error, match=message):
            everything(path)

    root.write_bytes(b"")
    with pytest.raises(StorageError, match="Not a directory"):
        everything(root)


def test_a_header_that_lies_across_two_chunks_is_found(root: Path) -> None:
    """A record behind a damaged one is searched for chunk by chunk."""
    log = log_in(root)
    commit(log, b"one", os.urandom(CHUNK_BYTES - 56), b"three")
    (first, second, _third) = log_in(root).sync(DEADLINE_S)
    assert second.end.offset - first.end.offset == CHUNK_BYTES - 16
    write(newest(root), first.end.offset, bytes(36))

    with pytest.raises(DatabaseCorrupt, match="record 2 is damaged"):
        everything(root)


def test_a_damage_is_told_in_a_half_done_seal_too(root: Path) -> None:
    log = log_in(root)
    commit(log, b"one", b"two", b"three")
    (first, _second, _third) = log_in(root).sync(DEADLINE_S)
    write(newest(root), first.end.offset, bytes(36))
    os.truncate(newest(root), SEALED_BYTES)

    with pytest.raises(DatabaseCorrupt, match="record 2 is damaged"):
        everything(root)


def test_a_record_out_of_order_is_told(root: Path) -> None:
    log = log_in(root)
    commit(log, b"one")
    write(newest(root), log.place.offset, encoded_record(7, ID, b"seven"))

    with pytest.raises(DatabaseCorrupt, match="record 2 is damaged"):
        everything(root)


def test_an_append_that_ends_while_its_beginning_is_read_is_no_damage(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = log_in(root), log_in(root)
    commit(writer, b"one")
    reader.sync(DEADLINE_S)
    write(newest(root), writer.place.offset, encoded_record(2, ID, b"two")[:40])
    is_followed = Segment._is_followed

    def is_followed_later(segment: Segment, place: Place) -> bool:
        monkeypatch.undo()
        writer.append(ID, b"two")
        writer.append(ID, b"three")
        return is_followed(segment, place)

    monkeypatch.setattr(Segment, "_is_followed", is_followed_later)

    assert reader.sync(DEADLINE_S) == []
    assert contents(reader.sync(DEADLINE_S)) == [(2, b"two"), (3, b"three")]
