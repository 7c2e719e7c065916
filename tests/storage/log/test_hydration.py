"""A copy that is fetched as it is read has the same bytes as the whole, whatever comes between."""

import errno
import os
import random
import resource
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import reduce
from itertools import islice
from pathlib import Path
from threading import Thread

import apsw
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sqlatch.kernel.errors import DatabaseCorrupt, StorageError
from storage.log import compaction, hydration, ltx
from storage.log.archive import Archive
from storage.log.capture import Capture, Changes
from storage.log.hydration import Hydrator, LazyFiles
from storage.log.reading import FileRanges
from tests.storage.log import histories
from tests.storage.log.histories import History

READ_ONLY = apsw.SQLITE_OPEN_READONLY
POINT = "SELECT a FROM t WHERE id = ?"


@pytest.fixture
def history(tmp_path: Path) -> History:
    """A database of about 4 MB."""
    history = histories.begun(tmp_path / "main.db")
    history.fill(6_000)
    return history


@pytest.fixture
def snapshot(tmp_path: Path, history: History) -> Iterator[FileRanges]:
    archive = Archive(tmp_path / "ltx")
    file = compaction.write_copy(archive, history.path, last=history.last, at_ms=0)
    with closing(FileRanges(file.path)) as snapshot:
        yield snapshot


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "copy.db"


class Counted:
    """Reads, and the ranges that were read."""

    def __init__(self, read: hydration.Read) -> None:
        self.ranges: list[tuple[int, int]] = []
        self._read = read

    def __call__(self, offset: int, length: int) -> bytes:
        self.ranges.append((offset, length))
        return self._read(offset, length)

    @property
    def bytes_read(self) -> int:
        return sum(length for _offset, length in self.ranges)


def virtual_snapshot(page_size: int, pages: int, content: Callable[[int], bytes]) -> hydration.Read:
    """Return reads of a literal snapshot that is nowhere: a page is made when it is asked for."""
    header = ltx.Header(page_size=page_size, pages=pages, first=1, last=7, at_ms=0)
    stride = ltx.stride(page_size)

    def read(offset: int, length: int) -> bytes:
        if offset == 0:
            return next(ltx.encode(header, []))[:length]
        page = (offset - ltx.offset_of(1, page_size)) // stride + 1
        page += page >= ltx.lock_page(page_size)
        assert ltx.offset_of(page, page_size) == offset
        following = (n for n in range(page, pages + 1) if n != ltx.lock_page(page_size))
        return frames([(n, content(n)) for n in islice(following, length // stride)], page_size)

    return read


def frames(pages: list[tuple[int, bytes]], page_size: int) -> bytes:
    header = ltx.Header(page_size=page_size, pages=2**31, first=2, last=2, at_ms=0)
    whole = b"".join(ltx.encode(header, pages, literal=True))
    return whole[ltx.HEADER.size :][: len(pages) * ltx.stride(page_size)]


@contextmanager
def lazily(read: hydration.Read, copy: Path) -> Iterator[Hydrator]:
    with closing(Hydrator(read, copy)) as hydrator:
        yield hydrator


@contextmanager
def connected(hydrator: Hydrator, copy: Path, flags: int = READ_ONLY) -> Iterator[apsw.Connection]:
    files = LazyFiles(copy, hydrator)
    with closing(apsw.Connection(str(copy), flags=flags, vfs=files.name)) as connection:
        yield connection
    files.unregister()


def completed(hydrator: Hydrator) -> None:
    while hydrator.fetch_more():
        pass
    assert hydrator.is_whole


def apply(hydrator: Hydrator, content: bytes) -> None:
    """Write a record to a copy, as a replica does."""
    header, pages = ltx.decode(content)
    for page, page_content in pages.items():
        hydrator.page_written(page)
        os.pwrite(hydrator.descriptor, page_content, (page - 1) * header.page_size)
    hydrator.truncated(header.pages * header.page_size)
    os.truncate(hydrator.descriptor, header.pages * header.page_size)


def test_a_copy_gives_the_same_rows_before_it_is_whole(
    history: History, snapshot: FileRanges, copy: Path
) -> None:
    counted = Counted(snapshot.read)
    with lazily(counted, copy) as hydrator, connected(hydrator, copy) as connection:
        for row in (1, 6_000, 3_333, 17):
            found = connection.execute(POINT, (row,)).fetchall()
            assert found == history.connection.execute(POINT, (row,)).fetchall()
        assert not hydrator.is_whole
        assert counted.bytes_read < len(history.state(2)) // 2

        everything = "SELECT id, a FROM t ORDER BY a"
        found = connection.execute(everything).fetchall()
        assert found == history.connection.execute(everything).fetchall()
        completed(hydrator)

    assert copy.read_bytes() == history.state(2)


def test_nothing_is_fetched_twice(history: History, snapshot: FileRanges, copy: Path) -> None:
    counted = Counted(snapshot.read)
    with lazily(counted, copy) as hydrator, connected(hydrator, copy) as connection:
        for row in random.Random(7).choices(range(1, 6_001), k=200):
            connection.execute(POINT, (row,)).fetchall()
        completed(hydrator)
        ranges = len(counted.ranges)
        connection.execute("SELECT total(length(a)) FROM t").fetchall()

    assert len(counted.ranges) == ranges
    assert counted.bytes_read < len(history.state(2)) * 1.3


def test_reads_in_sequence_fetch_ever_larger_ranges(
    history: History, snapshot: FileRanges, copy: Path
) -> None:
    counted = Counted(snapshot.read)
    with lazily(counted, copy) as hydrator:
        completed(hydrator)

    pages = [length // ltx.stride(4096) for _offset, length in counted.ranges[1:]]
    assert pages[:5] == [64, 128, 256, 512, sum(pages) - 960]


@pytest.mark.parametrize("gigabytes", [1, 10])
def test_a_large_database_opens_with_a_handful_of_reads(
    history: History, copy: Path, gigabytes: int
) -> None:
    pages = gigabytes * (1 << 30) // 4096
    small = bytearray(history.state(2))
    small[28:32] = pages.to_bytes(4, "big")
    zeros = bytes(4096)

    def content(page: int) -> bytes:
        return bytes(small[(page - 1) * 4096 : page * 4096]) or zeros

    counted = Counted(virtual_snapshot(4096, pages, content))
    tracemalloc.start()
    with lazily(counted, copy) as hydrator, connected(hydrator, copy) as connection:
        found = connection.execute(POINT, (4_000,)).fetchall()
        assert copy.stat().st_size == pages * 4096
        assert copy.stat().st_blocks * 512 < 2 << 20
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert found == history.connection.execute(POINT, (4_000,)).fetchall()
    assert len(counted.ranges) <= 5
    assert counted.bytes_read < 2 << 20
    assert peak_bytes < 4 << 20


def test_no_read_is_larger_than_the_limit(copy: Path) -> None:
    pages = 10_000
    counted = Counted(virtual_snapshot(4096, pages, lambda page: page.to_bytes(4096, "big")))
    with lazily(counted, copy) as hydrator:
        completed(hydrator)

    assert max(length for _offset, length in counted.ranges) == 2_048 * ltx.stride(4096)
    with copy.open("rb") as file:
        for page in range(1, pages + 1):
            assert file.read(4096) == page.to_bytes(4096, "big")


@pytest.mark.parametrize("page_size", [512, 65_536])
def test_blocks_have_one_size_in_bytes(copy: Path, page_size: int) -> None:
    content = bytes(page_size)
    counted = Counted(virtual_snapshot(page_size, 10_000, lambda _page: content))
    with lazily(counted, copy):
        pass

    assert counted.ranges[1][1] == 256 * 1024 // page_size * ltx.stride(page_size)


def test_the_lock_page_is_never_fetched(copy: Path) -> None:
    lock = ltx.lock_page(65_536)
    counted = Counted(virtual_snapshot(65_536, lock + 8, lambda page: page.to_bytes(65_536, "big")))
    with lazily(counted, copy) as hydrator:
        hydrator.page_wanted(lock)
        assert len(counted.ranges) == 2  # the header, and the first block
        hydrator.page_wanted(lock - 8)
        hydrator.page_wanted(lock - 4)  # follows, so the range goes on behind the lock page
        assert counted.ranges[-1][1] == 7 * ltx.stride(65_536)

        pages = [
            int.from_bytes(os.pread(hydrator.descriptor, 65_536, (page - 1) * 65_536), "big")
            for page in range(lock - 4, lock + 4)
        ]

    assert pages == [*range(lock - 4, lock), 0, *range(lock + 1, lock + 4)]


def test_a_fetch_never_overwrites_what_was_written(snapshot: FileRanges, copy: Path) -> None:
    with lazily(snapshot.read, copy) as hydrator:
        hydrator.page_written(70)
        os.pwrite(hydrator.descriptor, b"n" * 4096, 69 * 4096)
        hydrator.page_wanted(71)
        hydrator.page_wanted(70)
        completed(hydrator)

        assert os.pread(hydrator.descriptor, 4096, 69 * 4096) == b"n" * 4096
        assert os.pread(hydrator.descriptor, 4096, 70 * 4096) == snapshot_page(snapshot, 71)


def snapshot_page(snapshot: FileRanges, page: int) -> bytes:
    frame = snapshot.read(ltx.offset_of(page, 4096), ltx.stride(4096))
    return dict(ltx.literal_pages(frame, page, 4096))[page]


def test_who_writes_a_page_waits_for_a_fetch(snapshot: FileRanges, copy: Path) -> None:
    writers: list[Thread] = []

    def read(offset: int, length: int) -> bytes:
        if offset > ltx.offset_of(64, 4096):
            writers.append(Thread(target=hydrator.page_written, args=(70,)))
            writers[0].start()
            writers[0].join(0.1)
            assert writers[0].is_alive()
        return snapshot.read(offset, length)

    with lazily(read, copy) as hydrator:
        hydrator.page_wanted(71)
        writers[0].join()

        assert os.pread(hydrator.descriptor, 4096, 69 * 4096) == snapshot_page(snapshot, 70)


def test_a_page_that_is_written_in_part_is_fetched_before(
    history: History, snapshot: FileRanges, copy: Path
) -> None:
    with lazily(snapshot.read, copy) as hydrator:
        hydrator.range_written(100 * 4096 + 10, 2 * 4096)
        os.pwrite(hydrator.descriptor, b"n" * 8192, 100 * 4096 + 10)
        completed(hydrator)

    expected = bytearray(history.state(2))
    expected[100 * 4096 + 10 : 102 * 4096 + 10] = b"n" * 8192
    assert copy.read_bytes() == expected


def test_what_was_cut_off_is_not_fetched_when_the_copy_grows_again(
    history: History, snapshot: FileRanges, copy: Path
) -> None:
    with lazily(snapshot.read, copy) as hydrator:
        hydrator.truncated(150 * 4096)
        os.truncate(hydrator.descriptor, 150 * 4096)
        hydrator.page_wanted(140)
        assert copy.stat().st_size == 150 * 4096

        os.truncate(hydrator.descriptor, 200 * 4096)
        completed(hydrator)

    assert copy.read_bytes() == history.state(2)[: 150 * 4096] + bytes(50 * 4096)


def begun_with_free_pages(directory: Path, *, page_size: int = 4096) -> History:
    """Return a database whose free pages SQLite will write without a read."""
    history = histories.begun(directory / "main.db", page_size=page_size)
    history.fill(2_000)
    history.commit(STEPS["grow"])
    history.commit(STEPS["drop"])
    return history


STEPS = {
    "insert": "INSERT INTO t (a) SELECT hex(randomblob(150)) FROM t LIMIT 40",
    "update": "UPDATE t SET a = hex(randomblob(170)) WHERE id % 997 = abs(random()) % 997",
    "delete": "DELETE FROM t WHERE id BETWEEN 300 AND 300 + abs(random()) % 2000",
    "grow": "CREATE TABLE IF NOT EXISTS x AS SELECT zeroblob(300000) AS b",
    "drop": "DROP TABLE IF EXISTS x",
    "vacuum": "VACUUM",
}


@given(data=st.data())
@settings(max_examples=12, deadline=None)
def test_records_are_applied_to_a_copy_that_is_not_whole(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    directory = tmp_path_factory.mktemp("lazy")
    page_size = data.draw(st.sampled_from([1024, 4096]))
    history = begun_with_free_pages(directory, page_size=page_size)
    file = compaction.write_copy(Archive(directory / "ltx"), history.path, last=4, at_ms=0)
    copy = directory / "copy.db"
    reads = random.Random(data.draw(st.integers(0, 1_000)))

    with (
        closing(FileRanges(file.path)) as snapshot,
        lazily(snapshot.read, copy) as hydrator,
        connected(hydrator, copy) as connection,
    ):
        for step in data.draw(st.lists(st.sampled_from(sorted(STEPS)), max_size=8)):
            apply(hydrator, history.commit(STEPS[step]))
            for row in reads.choices(range(1, 2_500), k=3):
                found = connection.execute(POINT, (row,)).fetchall()
                assert found == history.connection.execute(POINT, (row,)).fetchall()
        completed(hydrator)

    assert copy.read_bytes() == history.states[-1]


@example(steps=[("insert", True), ("insert", True)])
@example(steps=[("vacuum", True)])
@given(steps=st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.booleans()), max_size=8))
@settings(max_examples=12, deadline=None)
def test_sqlite_writes_to_a_copy_that_is_not_whole(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, bool]]
) -> None:
    directory = tmp_path_factory.mktemp("lazy")
    history = begun_with_free_pages(directory)
    file = compaction.write_copy(Archive(directory / "ltx"), history.path, last=4, at_ms=0)
    copy = directory / "copy.db"

    with closing(FileRanges(file.path)) as snapshot, lazily(snapshot.read, copy) as hydrator:
        with connected(hydrator, copy, apsw.SQLITE_OPEN_READWRITE) as connection:
            for step, is_kept in steps:
                if step == "vacuum":
                    connection.execute(STEPS[step])
                    continue
                connection.execute("BEGIN")
                connection.execute(STEPS[step])
                connection.execute("COMMIT" if is_kept else "ROLLBACK")
            before = connection.execute("SELECT * FROM t").fetchall()
            size = connection.execute("PRAGMA page_count").fetchall()
        completed(hydrator)

    with closing(apsw.Connection(str(copy))) as whole:
        assert whole.execute("SELECT * FROM t").fetchall() == before
        assert size == [(copy.stat().st_size // 4096,)]
        assert whole.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_commits_are_captured_on_a_copy_that_is_not_whole(
    history: History, snapshot: FileRanges, copy: Path, tmp_path: Path
) -> None:
    records: list[bytes] = []

    def ship(changes: Changes) -> None:
        if len(records) == 2:
            raise OSError(errno.EIO, "the log does not answer")
        header = ltx.Header(changes.size.page_size, changes.size.pages, 3, 3, 0)
        records.append(b"".join(ltx.encode(header, changes.pages)))

    with lazily(snapshot.read, copy) as hydrator, connected(hydrator, copy) as reader:
        base = LazyFiles(copy, hydrator)
        capture = Capture(copy, hydrator.descriptor, files=base.name)
        with closing(apsw.Connection(str(copy), vfs=capture.name)) as writer:
            writer.execute("PRAGMA journal_mode = PERSIST")
            for sql in (
                "INSERT INTO t (a) VALUES ('new')",
                "DELETE FROM t WHERE id IN (3, 4, 5)",
                "UPDATE t SET a = 'changed' WHERE id = 2900",
            ):
                writer.execute("BEGIN IMMEDIATE")
                writer.execute(sql)
                with suppress(apsw.IOError), capture.committing(ship):
                    writer.execute("COMMIT")
                if writer.in_transaction:
                    writer.execute("ROLLBACK")
            assert not hydrator.is_whole
            rows = reader.execute("SELECT * FROM t").fetchall()

    shipped = tmp_path / "shipped.db"
    shipped.write_bytes(reduce(histories.applied, records, history.state(2)))
    with closing(apsw.Connection(str(shipped))) as connection:
        assert connection.execute("SELECT * FROM t").fetchall() == rows
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert len(records) == 2


@pytest.mark.parametrize("page_size", [1024, 65_536])
def test_a_vacuum_changes_the_page_size_of_a_copy_that_is_not_whole(
    history: History, snapshot: FileRanges, copy: Path, page_size: int
) -> None:
    rows = history.connection.execute("SELECT * FROM t").fetchall()
    with lazily(snapshot.read, copy) as hydrator:
        with connected(hydrator, copy, apsw.SQLITE_OPEN_READWRITE) as connection:
            connection.execute(f"PRAGMA page_size = {page_size}")
            connection.execute("VACUUM")
        hydrator.finish()
        assert hydrator.is_whole

    assert hydration.snapshot_of(copy) is None
    with closing(apsw.Connection(str(copy))) as whole:
        assert whole.execute("PRAGMA page_size").fetchall() == [(page_size,)]
        assert whole.execute("SELECT * FROM t").fetchall() == rows
        assert whole.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_killed_process_leaves_a_copy_that_goes_on(
    history: History, snapshot: FileRanges, copy: Path
) -> None:
    child = os.fork()
    if child == 0:
        hydrator = Hydrator(snapshot.read, copy)
        hydrator.page_written(300)
        os.pwrite(hydrator.descriptor, b"n" * 4096, 299 * 4096)
        hydrator.page_wanted(500)
        os._exit(9)
    os.waitpid(child, 0)
    counted = Counted(snapshot.read)

    assert hydration.snapshot_of(copy) == 2
    with lazily(counted, copy) as hydrator:
        hydrator.page_wanted(500)
        assert len(counted.ranges) == 1  # its header
        completed(hydrator)
        hydrator.finish()

    expected = history.state(2)[: 299 * 4096] + b"n" * 4096 + history.state(2)[300 * 4096 :]
    assert copy.read_bytes() == expected
    assert hydration.snapshot_of(copy) is None


@pytest.mark.parametrize("rows", [0, 500])
def test_another_snapshot_cannot_go_on(
    history: History, snapshot: FileRanges, copy: Path, tmp_path: Path, rows: int
) -> None:
    with lazily(snapshot.read, copy):
        pass
    history.fill(rows)
    file = compaction.write_copy(Archive(tmp_path / "ltx"), history.path, last=3, at_ms=0)

    with (
        closing(FileRanges(file.path)) as newer,
        pytest.raises(ltx.Damaged, match="the map of another snapshot"),
    ):
        Hydrator(newer.read, copy)


@pytest.mark.parametrize("lost", ["copy", "map"])
def test_a_copy_or_a_map_alone_is_refused(snapshot: FileRanges, copy: Path, lost: str) -> None:
    with lazily(snapshot.read, copy):
        pass
    (copy if lost == "copy" else hydration.map_of(copy)).unlink()

    with pytest.raises(ltx.Damaged, match="without a"):
        Hydrator(snapshot.read, copy)


def test_a_file_that_is_no_snapshot_is_refused(history: History, copy: Path) -> None:
    content = history.fill(1)

    with pytest.raises(ltx.Damaged, match="transactions 3 to 3 are no snapshot"):
        Hydrator(lambda offset, length: content[offset : offset + length], copy)

    assert not copy.exists()


def failing(error: OSError) -> bytes:
    raise error


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (lambda content: content[:-1], DatabaseCorrupt),
        (lambda content: content[: -ltx.stride(4096)], DatabaseCorrupt),
        (lambda _content: b"", DatabaseCorrupt),
        (lambda content: content[1:] + b"\0", DatabaseCorrupt),
        (lambda _content: failing(OSError(116, "Stale file handle")), StorageError),
    ],
)
def test_a_page_that_cannot_be_fetched_is_an_error_and_stays_missing(
    history: History,
    snapshot: FileRanges,
    copy: Path,
    capfd: pytest.CaptureFixture[str],
    *,
    fault: Callable[[bytes], bytes],
    error: type[Exception],
) -> None:
    faults = [fault]

    def read(offset: int, length: int) -> bytes:
        content = snapshot.read(offset, length)
        return faults[0](content) if faults and offset > ltx.offset_of(64, 4096) else content

    with lazily(read, copy) as hydrator, connected(hydrator, copy) as connection:
        with pytest.raises(error):
            connection.execute("SELECT total(length(a)) FROM t").fetchall()
        faults.clear()
        connection.execute("SELECT total(length(a)) FROM t").fetchall()
        completed(hydrator)

    assert copy.read_bytes() == history.state(2)
    assert capfd.readouterr().err == ""


def test_a_connection_that_is_open_when_its_copy_is_thrown_away_is_told(
    snapshot: FileRanges, copy: Path
) -> None:
    hydrator = Hydrator(snapshot.read, copy)
    with connected(hydrator, copy, apsw.SQLITE_OPEN_READWRITE) as connection:
        connection.execute(POINT, (1,)).fetchall()
        hydrator.close()
        with copy.with_name("other").open("w+b") as other:  # may get the number of the descriptor
            with pytest.raises(StorageError, match="is closed"):
                connection.execute("SELECT total(length(a)) FROM t").fetchall()
            with pytest.raises(StorageError, match="is closed"):
                connection.execute("DELETE FROM t")
            assert other.read() == b""


def test_a_map_is_allocated_whole(copy: Path) -> None:
    """The store into a hole would end the process when the disk is full."""
    with lazily(virtual_snapshot(4096, 1 << 20, lambda _page: bytes(4096)), copy):
        assert hydration.map_of(copy).stat().st_blocks * 512 >= 1 << 20


def test_a_page_that_the_disk_does_not_take_stays_missing(
    history: History, snapshot: FileRanges, copy: Path
) -> None:
    child = os.fork()
    if child == 0:
        hydrator = Hydrator(snapshot.read, copy)
        resource.setrlimit(resource.RLIMIT_FSIZE, (230 * 4096 + 7, -1))
        try:
            hydrator.page_wanted(200)
        except OSError as error:
            os._exit(error.errno or 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == errno.ENOSPC

    with lazily(snapshot.read, copy) as hydrator:
        completed(hydrator)
    assert copy.read_bytes() == history.state(2)


def test_a_range_begins_and_ends_with_a_page_that_is_missing(
    snapshot: FileRanges, copy: Path
) -> None:
    counted = Counted(snapshot.read)
    with lazily(counted, copy) as hydrator:
        hydrator.range_written(128 * 4096, 10 * 4096)
        hydrator.range_written(164 * 4096, 28 * 4096)
        hydrator.page_wanted(150)

    assert counted.ranges[-1] == (ltx.offset_of(139, 4096), 26 * ltx.stride(4096))


def test_a_copy_that_is_to_be_replaced_fetches_nothing_more(
    snapshot: FileRanges, copy: Path
) -> None:
    counted = Counted(snapshot.read)
    with lazily(counted, copy) as hydrator:
        hydrator.finish()
        hydrator.range_wanted(0, 400 * 4096)
        assert not hydrator.fetch_more()

    assert len(counted.ranges) == 2  # the header, and the first block
