"""The log in a directory: what is appended is there, for each reader, whatever others do."""

import errno
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from sqlatch.kernel.errors import DatabaseCorrupt, StorageError, Timeout
from storage.log import chain, files, segment
from storage.log import directory as directory_module
from storage.log.chain import Chain
from storage.log.directory import DirectoryLog
from storage.log.log import Conflict, Gone, InDoubt, Place
from storage.log.segment import HEADER_BYTES, SEALED_BYTES, Segment, encoded_record
from tests.nobody import as_nobody
from tests.storage.log.logs import (
    DEADLINE_S,
    ID,
    OTHER_ID,
    commit,
    contents,
    counted_calls,
    everything,
    fences,
    log_in,
    newest,
    ready,
    write,
)


def test_what_is_appended_is_read_by_others_in_order(root: Path) -> None:
    writer, reader = log_in(root), log_in(root)

    commit(writer, b"one", b"two")
    first = reader.sync(DEADLINE_S)
    commit(writer, b"three" * 100_000)

    assert contents(first) == [(1, b"one"), (2, b"two")]
    assert first[1].commit_id == ID
    assert contents(reader.sync(DEADLINE_S)) == [(3, b"three" * 100_000)]
    assert reader.sync(DEADLINE_S) == []
    assert reader.place == writer.place == Place(1, newest(root).stat().st_size, 3)


def test_a_log_that_is_not_there_has_no_records(root: Path) -> None:
    log = log_in(root)

    assert log.sync(DEADLINE_S) == []
    assert not log.is_there()[0]
    assert not root.exists()

    ready(log)

    assert not log.is_there()[0]
    log.append(ID, b"one")
    assert log.is_there()[0]
    assert log_in(root).is_there()[0]


def test_reading_goes_on_from_any_place(root: Path) -> None:
    writer = log_in(root)
    commit(writer, b"one", b"two")
    commit(writer, b"three", b"four", seal=True)
    whole = log_in(root).sync(DEADLINE_S)

    for number, record in enumerate(whole, 1):
        assert log_in(root, record.end).sync(DEADLINE_S) == whole[number:]


def test_a_snapshot_goes_on_behind_its_txid(root: Path) -> None:
    writer = log_in(root)
    for value in (b"one", b"two", b"three"):
        commit(writer, value, value * 2, seal=True)
    whole = log_in(root).sync(DEADLINE_S)

    for txid in range(7):
        assert log_in(root, Place(0, 0, txid)).sync(DEADLINE_S) == whole[txid:]
    with pytest.raises(DatabaseCorrupt, match="ends with record 6"):
        log_in(root, Place(0, 0, 7)).sync(DEADLINE_S)


def test_a_late_append_to_a_sealed_segment_is_refused(root: Path) -> None:
    frozen, other = log_in(root), log_in(root)
    commit(frozen, b"one")
    commit(other, b"two", seal=True)

    with pytest.raises(InDoubt):
        frozen.append(OTHER_ID, b"late")
    is_there, records = frozen.outcome(2, OTHER_ID, DEADLINE_S)

    assert (is_there, contents(records)) == (False, [(2, b"two")])
    assert everything(root) == [(1, b"one"), (2, b"two")]
    commit(frozen, b"three")
    assert everything(root) == [(1, b"one"), (2, b"two"), (3, b"three")]


def test_a_late_append_that_nobody_has_replaced_is_refused_too(root: Path) -> None:
    frozen, other = log_in(root), log_in(root)
    commit(frozen, b"one")
    ready(other, seal=True)

    with pytest.raises(InDoubt):
        frozen.append(OTHER_ID, b"late")

    assert frozen.outcome(2, OTHER_ID, DEADLINE_S) == (False, [])
    assert everything(root) == [(1, b"one")]


def test_one_who_lost_the_lease_before_it_was_ready_does_not_append(root: Path) -> None:
    """It reads on to a segment that is not sealed against it, so the fence is all there is."""
    frozen, other = log_in(root), log_in(root)
    commit(other, b"one")
    lost = next(fences)
    commit(other, b"two", seal=True)

    with pytest.raises(Conflict, match="was begun under a later lease"):
        frozen.ready(DEADLINE_S, fence=lost, seal=False)

    assert everything(root) == [(1, b"one"), (2, b"two")]


def test_one_who_reads_after_the_lease_was_lost_does_not_append(root: Path) -> None:
    frozen, other = log_in(root), log_in(root)
    commit(frozen, b"one")
    commit(other, b"two", seal=True)
    frozen.sync(DEADLINE_S)

    with pytest.raises(Conflict):
        frozen.append(ID, b"late")

    assert everything(root) == [(1, b"one"), (2, b"two")]


def test_one_who_seals_after_the_lease_was_lost_does_not_append(root: Path) -> None:
    """The fence goes from segment to segment."""
    frozen, other = log_in(root), log_in(root)
    commit(other, b"one")
    lost = next(fences)
    ready(other, seal=True)
    os.truncate(newest(root), SEALED_BYTES)
    log_in(root).sync(DEADLINE_S)

    with pytest.raises(Conflict):
        frozen.ready(DEADLINE_S, fence=lost, seal=True)
    commit(other, b"two")

    assert everything(root) == [(1, b"one"), (2, b"two")]


def test_a_segment_that_another_made_meanwhile_is_sealed_too(root: Path) -> None:
    """A seal is for whom comes next only if the next segment bears the fence of that one."""
    frozen, other = log_in(root), log_in(root)
    commit(frozen, b"one")
    make_first = Chain.seal
    with pytest.MonkeyPatch.context() as patched:

        def seal(chain: Chain, segment: Segment, place: Place, *, fence: int) -> None:
            patched.undo()
            frozen.ready(DEADLINE_S, fence=fence - 1, seal=True)
            make_first(chain, segment, place, fence=fence)

        patched.setattr(Chain, "seal", seal)
        next(fences)
        ready(other, seal=True)

    with pytest.raises(InDoubt):
        frozen.append(ID, b"late")
    other.append(ID, b"two")
    assert everything(root) == [(1, b"one"), (2, b"two")]


def test_an_append_whose_answer_was_lost_is_in_the_log(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = log_in(root)
    commit(log, b"one")
    with monkeypatch.context() as patched:
        patched.setattr(files, "length_bytes", _raising(OSError(errno.EIO, "no answer")))
        with pytest.raises(InDoubt):
            log.append(OTHER_ID, b"two")
        with pytest.raises(StorageError):
            log.outcome(2, OTHER_ID, DEADLINE_S)
    is_there, records = log.outcome(2, OTHER_ID, DEADLINE_S)

    assert (is_there, contents(records)) == (True, [(2, b"two")])
    assert everything(root) == [(1, b"one"), (2, b"two")]


def test_a_record_that_reached_the_cache_and_not_the_disk_is_written_again(root: Path) -> None:
    """A local disk: the write failed in its sync, and whoever reads the record finds it whole."""
    log = log_in(root)
    commit(log, b"one")
    with failing_syncs(), pytest.raises(InDoubt):
        log.append(OTHER_ID, b"two")

    with failing_syncs(), pytest.raises(StorageError, match="Input/output error"):
        log.outcome(2, OTHER_ID, DEADLINE_S)
    with counted_calls() as calls:
        is_there, records = log.outcome(2, OTHER_ID, DEADLINE_S)

    assert (is_there, contents(records)) == (True, [(2, b"two")])
    assert calls.count("pwrite") == 1
    assert everything(root) == [(1, b"one"), (2, b"two")]


def test_after_an_append_that_never_arrived_nothing_can_arrive(root: Path) -> None:
    log = log_in(root)
    commit(log, b"one")
    with _descriptor_closed(log), pytest.raises(InDoubt):
        log.append(OTHER_ID, b"two")
    place = log.place

    assert log.outcome(2, OTHER_ID, DEADLINE_S) == (False, [])
    # What the network still had of it.
    write(root / f"{place.epoch:016x}.seg", place.offset, encoded_record(2, OTHER_ID, b"two"))
    commit(log, b"three")

    assert everything(root) == [(1, b"one"), (2, b"three")]


def test_a_half_done_seal_is_finished_by_whoever_reads(root: Path) -> None:
    """What was acknowledged before the mark stands behind it, and must be read."""
    writer, reader = log_in(root), log_in(root)
    commit(writer, b"one")
    reader.sync(DEADLINE_S)
    commit(writer, b"two")
    os.truncate(newest(root), SEALED_BYTES)

    assert contents(reader.sync(DEADLINE_S)) == [(2, b"two")]
    assert reader.place == Place(2, HEADER_BYTES, 2)


def test_nothing_beyond_the_sealed_length_is_read(root: Path) -> None:
    writer, reader = log_in(root), log_in(root)
    commit(writer, b"one")
    reader.sync(DEADLINE_S)
    place, path = writer.place, newest(root)
    ready(writer, seal=True)
    write(path, place.offset, encoded_record(2, ID, b"late"))

    assert reader.sync(DEADLINE_S) == []
    assert reader.place == Place(2, HEADER_BYTES, 1)


def test_a_torn_tail_is_no_record_and_is_sealed_before_the_next(root: Path) -> None:
    for number, length in enumerate((1, 20, 36, 39, 42)):
        path = root.with_name(f"log{number}")
        log, other = log_in(path), log_in(path)
        commit(log, b"one")
        write(newest(path), log.place.offset, encoded_record(2, ID, b"two")[:length])

        assert contents(other.sync(DEADLINE_S)) == [(1, b"one")]
        assert other.place.epoch == 1
        commit(other, b"three")

        assert other.place.epoch == 2
        assert everything(path) == [(1, b"one"), (2, b"three")]


def test_a_segment_over_the_limit_is_sealed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory_module, "CAP_BYTES", 1_000)
    log = log_in(root)

    for _number in range(3):
        commit(log, b"x" * 1_000)

    assert len(list(root.glob("*.seg"))) == 3
    assert len(everything(root)) == 3


def test_a_new_instance_reads_little_that_its_snapshot_has(root: Path) -> None:
    def bytes_read() -> int:
        return int(Path("/proc/self/io").read_text().split()[1])

    log = log_in(root)
    for _number in range(40):
        commit(log, b"x" * 500_000)
    before = bytes_read()

    assert log_in(root, Place(epoch=0, offset=0, txid=40)).sync(DEADLINE_S) == []

    assert bytes_read() - before < 8 << 20


def test_an_empty_segment_may_be_sealed(root: Path) -> None:
    first, second = log_in(root), log_in(root)
    ready(first)
    ready(second, seal=True)
    ready(second, seal=True)
    commit(second, b"one")

    assert contents(first.sync(DEADLINE_S)) == [(1, b"one")]
    assert everything(root) == [(1, b"one")]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not write")
def test_a_reader_that_may_not_write_waits_for_the_sealer(root: Path) -> None:
    commit(log_in(root), b"one", b"two")
    times = iter([0.0, 5.0, 20.0])
    os.truncate(newest(root), SEALED_BYTES)
    in_vain = DirectoryLog(root, now=lambda: next(times), sleep=lambda _seconds: None)

    def seal(_seconds: float) -> None:
        os.seteuid(0)
        log_in(root).sync(DEADLINE_S)

    with as_nobody(root), pytest.raises(Timeout, match="is sealed, but"):
        in_vain.sync(DEADLINE_S)
    with as_nobody(root):
        found = log_in(root, sleep=seal).sync(DEADLINE_S)

    assert contents(found) == [(1, b"one"), (2, b"two")]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not write")
def test_a_directory_that_cannot_be_written_is_read_all_the_same(root: Path) -> None:
    commit(log_in(root), b"one")

    with as_nobody(root):
        log = log_in(root)
        assert contents(log.sync(DEADLINE_S)) == [(1, b"one")]
        ready(log)
        with pytest.raises(InDoubt, match="Bad file descriptor"):
            log.append(ID, b"two")
        with pytest.raises(StorageError, match="Permission denied"):
            log.outcome(2, ID, DEADLINE_S)
        with pytest.raises(StorageError, match="Permission denied"):
            ready(log, seal=True)

    assert everything(root) == [(1, b"one")]


def test_a_read_that_failed_passes_over_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = log_in(root), log_in(root)
    commit(writer, b"one")
    reader.sync(DEADLINE_S)
    commit(writer, b"two")
    commit(writer, b"three", seal=True)
    answers = iter([SEALED_BYTES])

    def length_bytes(_descriptor: int) -> int:
        for answer in answers:
            return answer
        raise OSError(errno.EIO, "no answer")

    with monkeypatch.context() as patched:
        patched.setattr(files, "length_bytes", length_bytes)
        with pytest.raises(StorageError, match="no answer"):
            reader.sync(DEADLINE_S)

    assert contents(reader.sync(DEADLINE_S)) == [(2, b"two"), (3, b"three")]


def test_a_copy_of_another_log_begins_anew(root: Path) -> None:
    log, copy = log_in(root), log_in(root)
    commit(log, b"one", b"two")
    copy.sync(DEADLINE_S)
    copy.close()
    at = copy.place
    for path in root.iterdir():
        path.unlink()
    with pytest.raises(Gone, match="was removed"):
        copy.sync(DEADLINE_S)
    commit(log_in(root), b"anew")

    for other in (copy, log_in(root, at)):
        with pytest.raises(Gone, match="belongs to another log"):
            other.sync(DEADLINE_S)


def test_a_segment_that_was_cut_behind_a_copy_is_told(root: Path) -> None:
    log = log_in(root)
    commit(log, b"one", b"two")
    (first, _second) = log_in(root).sync(DEADLINE_S)
    os.truncate(newest(root), first.end.offset)
    log.close()

    with pytest.raises(
        DatabaseCorrupt, match=r"was cut to 124 bytes: record 2, which ended at 172"
    ):
        log.sync(DEADLINE_S)


def test_where_no_file_can_grow_the_append_is_refused_and_readers_go_on(root: Path) -> None:
    log, reader = log_in(root), log_in(root)
    commit(log, b"one")
    reader.sync(DEADLINE_S)

    with _files_end_at(log.place.offset + 20):
        with pytest.raises(InDoubt, match="File too large"):
            log.append(ID, b"two")
        assert log.outcome(2, ID, DEADLINE_S) == (False, [])
        with pytest.raises(StorageError, match="File too large"):
            ready(log)
        assert reader.sync(DEADLINE_S) == []
        assert everything(root) == [(1, b"one")]
    commit(log, b"three")

    assert everything(root) == [(1, b"one"), (2, b"three")]


def test_after_an_append_of_nothing_the_segment_is_not_used_again(root: Path) -> None:
    log = log_in(root)
    commit(log, b"one")

    with _files_end_at(log.place.offset):
        with pytest.raises(InDoubt, match="File too large"):
            log.append(ID, b"two")
        assert log.outcome(2, ID, DEADLINE_S) == (False, [])
    assert newest(root).stat().st_size == log.place.offset
    commit(log, b"three")

    assert log.place.epoch == 2


def test_a_full_disk_refuses_the_append_and_lets_readers_go_on(root: Path) -> None:
    log, reader = log_in(root), log_in(root)
    commit(log, b"one")
    reader.sync(DEADLINE_S)

    with _full_disk():
        with pytest.raises(InDoubt, match="No space left"):
            log.append(ID, b"two")
        assert log.outcome(2, ID, DEADLINE_S) == (False, [])
        for seal in (False, True):
            with pytest.raises(StorageError, match="No space left"):
                ready(log_in(root), seal=seal)
        assert reader.sync(DEADLINE_S) == []
    commit(log, b"three")

    assert everything(root) == [(1, b"one"), (2, b"three")]
    assert [path for path in root.iterdir() if path.suffix != ".seg"] == []


def _raising(error: OSError) -> Callable[..., int]:
    def answer(_descriptor: int) -> int:
        raise error

    return answer


@contextmanager
def _descriptor_closed(log: DirectoryLog) -> Iterator[None]:
    """The segment does not answer."""
    segment = log._at.opened
    descriptor, segment._descriptor = segment._descriptor, -1
    try:
        yield
    finally:
        segment._descriptor = descriptor


@contextmanager
def _files_end_at(size_bytes: int) -> Iterator[None]:
    """No file of this process grows past that size."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


@contextmanager
def _full_disk() -> Iterator[None]:
    """Of what is written, the first bytes find room in a block that the file has already."""

    def pwrite(descriptor: int, content: bytes, offset: int) -> int:
        if offset == 0 or len(content) < 20:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.pwrite(descriptor, content[: len(content) // 2], offset)

    with pytest.MonkeyPatch.context() as patched:
        for module in (segment, chain):
            patched.setattr(module, "os", SimpleNamespace(**{**vars(os), "pwrite": pwrite}))
        yield


@contextmanager
def failing_syncs() -> Iterator[None]:
    """What is written to a segment reaches the cache, and its sync fails."""

    def pwrite(descriptor: int, content: bytes, offset: int) -> int:
        os.pwrite(descriptor, content, offset)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(segment, "os", SimpleNamespace(**{**vars(os), "pwrite": pwrite}))
        yield
