"""Compaction: files that lead to the same state as the records, and what may be deleted."""

import os
import tracemalloc
from collections.abc import Iterable, Sequence
from functools import reduce
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlatch.kernel.errors import Timeout
from storage.log import compaction, ltx
from storage.log.archive import Archive, LtxFile, Old, Start
from storage.log.chain import Settled
from tests.storage.log import histories
from tests.storage.log.histories import History

DAY_S = compaction.DAY_S
NOW_S = 100 * DAY_S


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "main" / "ltx")


@pytest.fixture
def history(tmp_path: Path) -> History:
    return histories.begun(tmp_path / "main.db")


def started(archive: Archive) -> Start:
    start = archive.start()
    assert start is not None
    return start


def restored(start: Start) -> bytes:
    files = [file.path.read_bytes() for file in (start.snapshot, *start.tail)]
    return reduce(histories.applied, files, b"")


def merge_of(contents: Sequence[bytes]) -> bytes:
    header, pages = compaction.merged([ltx.scan(BytesIO(content)) for content in contents])
    return b"".join(ltx.encode(header, pages))


def file(level: int, first: int, last: int, *, day: float, written_day: float = 0) -> LtxFile:
    return LtxFile(
        path=Path(f"{level}-{first}-{last}"),
        level=level,
        first=first,
        last=last,
        size_bytes=1_000,
        at_ms=int(day * DAY_S * 1_000),
        written_s=(written_day or day) * DAY_S,
    )


def test_the_first_records_become_a_snapshot_and_later_ones_a_file(
    archive: Archive, history: History
) -> None:
    for _ in range(4):
        history.fill(50)
    compaction.merge(archive, history.records[:3])
    compaction.merge(archive, history.records[3:])

    files = [(file.level, file.first, file.last, file.at_ms) for file in archive.files()]
    assert files == [(1, 4, 5, history.at_ms(5)), (9, 1, 3, history.at_ms(3))]
    assert restored(started(archive)) == history.state(5)


def test_a_new_snapshot_is_made_of_the_one_before_and_of_what_follows(
    archive: Archive, history: History
) -> None:
    history.fill(500)
    compaction.merge(archive, history.records)
    history.commit("DELETE FROM t WHERE id % 3 = 0")
    compaction.merge(archive, history.records[2:])
    history.commit("VACUUM")
    compaction.merge(archive, history.records[3:])

    compaction.write_snapshot(archive, started(archive))

    start = started(archive)
    assert (start.snapshot.last, start.tail) == (4, ())
    assert restored(start) == history.state(4)
    assert len(history.state(4)) < len(history.state(3))


def test_a_record_of_the_whole_database_starts_over(archive: Archive, history: History) -> None:
    history.fill(50)
    compaction.merge(archive, history.records)
    history.fill(50)
    history.commit("PRAGMA page_size = 8192", "COMMIT", "VACUUM", "BEGIN")
    history.fill(5)

    compaction.merge(archive, history.records[2:])

    start = started(archive)
    assert (start.snapshot.last, start.tail) == (5, ())
    assert ltx.header_of(start.snapshot.path.read_bytes()).page_size == 8192
    assert restored(start) == history.state(5)
    assert histories.applied(b"", merge_of(history.records)) == history.state(5)


def test_a_snapshot_of_a_file_is_the_file(archive: Archive, history: History) -> None:
    history.fill(500)

    compaction.write_copy(archive, history.path, last=2, at_ms=history.at_ms(2))

    assert restored(started(archive)) == history.state(2)
    made_of_records = merge_of(history.records)
    assert ltx.decode(started(archive).snapshot.path.read_bytes()) == ltx.decode(made_of_records)


def test_a_snapshot_of_a_file_in_wal_mode_is_in_none(archive: Archive, history: History) -> None:
    history.connection.execute("PRAGMA journal_mode = WAL")
    history.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert history.path.read_bytes()[18:20] == b"\2\2"

    compaction.write_copy(archive, history.path, last=1, at_ms=0)

    assert restored(started(archive))[18:20] == b"\1\1"


def test_a_file_that_is_shorter_than_it_says_becomes_no_snapshot(
    archive: Archive, history: History
) -> None:
    history.fill(100)
    os.truncate(history.path, len(history.state(2)) - 100)

    with pytest.raises(ValueError, match="has 3996 bytes, not 4096"):
        compaction.write_copy(archive, history.path, last=2, at_ms=0)

    assert archive.files() == []


def test_a_snapshot_of_a_file_of_more_than_1_gib_leaves_out_the_lock_page(tmp_path: Path) -> None:
    class Nowhere(Archive):
        def put(
            self, level: int, header: ltx.Header, pieces: Iterable[bytes], _old: Old | None = None
        ) -> LtxFile:
            frames = [piece[:4] for piece in pieces if len(piece) == ltx.stride(65_536)]
            pages = [int.from_bytes(frame, "big") for frame in frames]
            return file(level, pages[-3], pages[-1], day=0)

    database, lock = tmp_path / "sparse.db", ltx.lock_page(65_536)
    with database.open("wb") as sparse:
        sparse.write(bytes(16) + (1).to_bytes(2, "big") + bytes(10))
        sparse.write((lock + 2).to_bytes(4, "big"))
        sparse.truncate((lock + 2) * 65_536)

    written = compaction.write_copy(Nowhere(tmp_path), database, last=1, at_ms=0)

    assert (written.first, written.last) == (lock - 1, lock + 2)


def test_two_instances_write_the_same_bytes(tmp_path: Path, history: History) -> None:
    history.fill(200)
    history.fill(200)
    contents = []

    for name in ("one", "other"):
        archive = Archive(tmp_path / name)
        compaction.merge(archive, history.records[:1])
        compaction.merge(archive, history.records[1:])
        compaction.write_snapshot(archive, started(archive))
        contents.append({file.path.name: file.path.read_bytes() for file in archive.files()})

    assert len(contents[0]) == 3
    assert contents[0] == contents[1]


def test_an_instance_that_saw_less_does_no_harm(archive: Archive, history: History) -> None:
    for _ in range(5):
        history.fill(20)
    compaction.merge(archive, history.records[:2])

    compaction.merge(archive, history.records[2:6])
    compaction.merge(archive, history.records[2:4])

    assert started(archive).last == 6
    assert restored(started(archive)) == history.state(6)


def test_records_that_do_not_follow_are_refused(archive: Archive, history: History) -> None:
    for _ in range(4):
        history.fill(20)
    compaction.merge(archive, history.records[:2])

    with pytest.raises(ValueError, match="transaction 4 does not follow 2"):
        compaction.merge(archive, history.records[3:])
    with pytest.raises(ltx.Damaged, match="transactions 5 to 5 follow 3"):
        compaction.merge(archive, [history.records[2], history.records[4]])
    with pytest.raises(ltx.Damaged, match="transactions 3 to 3 follow 4"):
        compaction.merge(archive, [history.records[3], history.records[2]])

    assert started(archive).last == 2


def small(first: int, last: int, pages: int, *changed: int, page_size: int = 512) -> bytes:
    """Return a file of pages that are filled with the number of its last transaction."""
    header = ltx.Header(page_size, pages, first, last, last)
    content = bytes([last]) * page_size
    return b"".join(ltx.encode(header, [(page, content) for page in changed]))


def test_a_file_that_leads_less_far_than_the_one_before_is_refused() -> None:
    with pytest.raises(ltx.Damaged, match="transactions 4 to 5 follow 6"):
        merge_of([small(3, 6, 2, 1), small(4, 5, 2, 1)])


def test_a_page_that_was_cut_off_does_not_come_back() -> None:
    contents = [small(1, 1, 3, 1, 2, 3), small(2, 2, 2, 1), small(3, 3, 3, 1)]

    # The last one should have the third page, which is new again.
    with pytest.raises(ValueError, match="a snapshot that ends with page 2, of 3"):
        merge_of(contents)


def test_pages_of_another_size_are_refused() -> None:
    contents = [small(2, 2, 3, 2), small(3, 3, 3, 2, page_size=1024)]

    with pytest.raises(ltx.Damaged, match="pages of 1024 bytes follow those of 512"):
        merge_of(contents)


def test_a_damaged_snapshot_becomes_no_other(archive: Archive, history: History) -> None:
    compaction.merge(archive, history.records)
    history.fill(500)
    compaction.merge(archive, history.records[1:])
    start = started(archive)
    whole = start.snapshot.path.read_bytes()
    middle = ltx.offset_of(2, 4096) + 1000

    start.snapshot.path.write_bytes(whole[:middle] + b"?" + whole[middle + 1 :])

    with pytest.raises(ltx.Damaged):
        compaction.write_snapshot(archive, start)
    assert started(archive) == archive.start()
    assert started(archive).snapshot.last == 1


def test_many_files_of_a_level_become_one_of_the_next(archive: Archive, history: History) -> None:
    now_s = history.path.stat().st_ctime
    compaction.merge(archive, history.records)
    for _ in range(2 * compaction.FILES_OF_A_LEVEL_MAX + 1):
        history.fill(3)
        compaction.take_in(archive, history.records[-1:])
        compaction.compact(archive, now_s)

    start = started(archive)

    assert [(file.level, file.first, file.last) for file in start.tail] == [
        (2, 2, 33),
        (2, 34, 65),
        (1, 66, 66),
    ]
    assert restored(start) == history.state(66)


def test_only_files_that_follow_each_other_are_merged(archive: Archive) -> None:
    many = compaction.FILES_OF_A_LEVEL_MAX
    levels = [9] + [1] * (many - 1) + [2] + [1] * many
    for last, level in enumerate(levels, start=1):
        content = small(last, last, 1, 1)
        archive.put(level, ltx.header_of(content), [content])

    compaction.merge_levels(archive)

    found = [(file.level, file.first, file.last) for file in started(archive).tail]
    assert found[: many - 1] == [(1, at, at) for at in range(2, many + 1)]
    assert found[many - 1 :] == [(2, many + 1, many + 1), (2, many + 2, 2 * many + 1)]


@st.composite
def changes(draw: st.DrawFn) -> list[tuple[int, set[int]]]:
    """Sizes of a small database after each of some transactions, and the pages they changed."""
    sizes = draw(st.lists(st.integers(1, 8), min_size=2, max_size=8))
    return [(size, draw(st.sets(st.integers(1, size)))) for size in sizes]


@given(changes=changes(), data=st.data())
@settings(deadline=None)
def test_merged_records_lead_to_the_same_state(
    changes: list[tuple[int, set[int]]], data: st.DataObject
) -> None:
    states, records = [b""], []
    for at, (pages, changed) in enumerate(changes, start=1):
        before = len(states[-1]) // 512
        written = changed | set(range(before + 1, pages + 1))
        records.append(small(at, at, pages, *sorted(written)))
        states.append(histories.applied(states[-1], records[-1]))
    first = data.draw(st.integers(0, len(records) - 1), label="first")
    last = data.draw(st.integers(first + 1, len(records)), label="last")
    middle = data.draw(st.integers(first + 1, last), label="middle")
    again = data.draw(st.integers(first, min(middle, last - 1)), label="again")

    whole = merge_of(records[first:last])
    in_two_steps = [merge_of(records[first:middle]), merge_of(records[again:last])]

    assert histories.applied(states[first], whole) == states[last]
    assert reduce(histories.applied, in_two_steps, states[first]) == states[last]
    if middle < last:
        assert ltx.decode(merge_of(in_two_steps)) == ltx.decode(whole)


def test_the_memory_for_a_snapshot_does_not_grow_with_the_database(
    archive: Archive, tmp_path: Path
) -> None:
    database = tmp_path / "sparse.db"
    size_bytes = 24 << 20
    with database.open("wb") as sparse:
        sparse.write(bytes(16) + (4096).to_bytes(2, "big") + bytes(10))
        sparse.write((size_bytes // 4096).to_bytes(4, "big"))
        sparse.truncate(size_bytes)
    header = ltx.Header(4096, size_bytes // 4096, 2, 2, 0)

    tracemalloc.start()
    compaction.write_copy(archive, database, last=1, at_ms=0)
    archive.put(1, header, ltx.encode(header, [(3, b"3" * 4096)]))
    compaction.write_snapshot(archive, started(archive))
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert started(archive).snapshot.size_bytes > size_bytes
    assert peak_bytes < 6 << 20


@pytest.mark.parametrize(
    ("tail_bytes", "snapshot_bytes", "age_s", "due"),
    [
        ([], 1_000, 40 * DAY_S, False),
        ([1_000], 1_000, 0, False),
        ([4_000_000, 4_000_000], 1_000, 0, False),
        ([4_000_000, 4_000_001], 1_000, 0, True),
        ([9_000_000], 100_000_000, 0, False),
        ([9_000_000, 1_000_001], 100_000_000, 0, True),
        ([1], 100_000_000, DAY_S, True),
        ([1], 100_000_000, DAY_S - 1, False),
    ],
)
def test_a_snapshot_is_due_by_size_or_age(
    tail_bytes: list[int], snapshot_bytes: int, age_s: int, *, due: bool
) -> None:
    def sized(level: int, last: int, size_bytes: int) -> LtxFile:
        return LtxFile(Path(), level, 1, last, size_bytes, 0, NOW_S - age_s)

    tail = [sized(1, last, size) for last, size in enumerate(tail_bytes, start=2)]
    start = Start(sized(9, 1, snapshot_bytes), tuple(tail))

    assert compaction.snapshot_is_due(start, NOW_S) is due


def test_what_cannot_be_needed_again_is_deleted() -> None:
    old = file(9, 1, 10, day=50)
    base_of_30_days = file(9, 1, 20, day=65)
    earlier_that_day, that_day = file(9, 1, 30, day=80.1), file(9, 1, 31, day=80.9)
    base_of_7_days = file(9, 1, 40, day=90)
    replaced_today = file(9, 1, 50, day=99.2)
    newest = file(9, 1, 60, day=99.6)
    snapshots = [
        old,
        base_of_30_days,
        earlier_that_day,
        that_day,
        base_of_7_days,
        replaced_today,
        newest,
    ]
    too_old = [file(1, 11, 20, day=65), file(1, 32, 40, day=90), file(2, 21, 40, day=90)]
    needed = [file(1, 39, 45, day=92), file(1, 46, 50, day=99), file(1, 51, 61, day=99.9)]

    deleted = compaction.not_kept([*too_old, *needed, *snapshots], NOW_S)

    assert deleted == [*too_old, old, earlier_that_day]


def test_a_snapshot_is_kept_for_a_day_after_it_was_replaced() -> None:
    replaced = file(9, 1, 10, day=2)
    same_day = file(9, 1, 11, day=2.1, written_day=99.5)
    newest = file(9, 1, 12, day=2.2, written_day=99.8)

    assert compaction.not_kept([replaced, same_day, newest], NOW_S) == []
    assert compaction.not_kept([replaced, same_day, newest], NOW_S + DAY_S) == [replaced, same_day]


def test_the_7_days_begin_with_a_snapshot_that_is_kept() -> None:
    base, newest = file(9, 1, 40, day=90), file(9, 1, 70, day=100.4)
    deleted, last_of_day = file(9, 1, 50, day=93.2), file(9, 1, 60, day=93.8)
    between = [file(1, 41, 50, day=93.1), file(1, 51, 60, day=93.7)]
    files = [*between, base, deleted, last_of_day, newest]

    assert compaction.not_kept(files, 100.5 * DAY_S) == [deleted]


def test_files_are_kept_for_a_day_after_a_snapshot_of_old_transactions_was_written() -> None:
    files = [file(1, 11, 15, day=2), file(9, 1, 10, day=1), file(9, 1, 15, day=2, written_day=99.5)]

    assert compaction.not_kept(files, NOW_S) == []
    assert compaction.not_kept(files, NOW_S + DAY_S) == files[:2]


def test_the_newest_snapshot_and_what_it_does_not_cover_are_never_deleted() -> None:
    files = [file(1, 11, 15, day=2), file(1, 16, 17, day=3), file(9, 1, 10, day=1)]

    assert compaction.not_kept(files, NOW_S) == []
    assert compaction.not_kept(files[:2], NOW_S) == []


@pytest.mark.parametrize(
    ("lasts", "floor", "removed"),
    [
        ([], 100, []),
        ([10], 100, [1]),
        ([10, 20, 30], 9, []),
        ([10, 20, 30], 10, [1]),
        ([10, 20, 30], 20, [1, 2]),
        ([10, 10, 30], 10, [1, 2]),
        # Never with a gap.
        ([10, 30, 20], 20, [1]),
    ],
)
def test_segments_below_the_floor_may_be_removed(
    lasts: list[int], floor: int, removed: list[int]
) -> None:
    settled = [Settled(epoch, 1, last, Path()) for epoch, last in enumerate(lasts, start=1)]

    assert compaction.not_needed(settled[::-1], floor) == removed


def test_a_log_is_kept_short(archive: Archive, history: History) -> None:
    half_an_hour_later_s = history.path.stat().st_ctime + 1_800
    floors = []

    for _ in range(6):
        history.fill(500, size_bytes=5_000)
        start = archive.start()
        covered = start.last if start else 0
        compaction.take_in(archive, history.records[covered:])
        floors.append(compaction.compact(archive, half_an_hour_later_s))
    snapshots = [file for file in archive.files() if file.level == 9]
    left = archive.directory / "9" / ".0-1.ltx.5.arriving"
    left.touch()
    floors.append(compaction.compact(archive, half_an_hour_later_s + 2_000))
    assert left.exists()
    compaction.compact(archive, half_an_hour_later_s + 40 * DAY_S)

    assert floors == [0, 0, 0, 0, 0, 0, 7]
    assert len(snapshots) > 2
    assert restored(started(archive)) == history.state(7)
    assert [file.last for file in archive.files()] == [7]
    assert not left.exists()


def test_a_snapshot_that_is_given_up_is_still_due_and_all_else_is_done(
    archive: Archive, history: History
) -> None:
    now_s = history.path.stat().st_ctime
    history.fill(3)
    compaction.merge(archive, history.records[:1])
    compaction.merge(archive, history.records[1:])
    left = archive.directory / "9" / ".0-1.ltx.5.arriving"
    left.touch()
    month_later_s = now_s + 30 * DAY_S

    def give_up() -> None:
        raise Timeout("too late")

    late = Archive(archive.directory, give_up)
    assert compaction.compact(late, month_later_s) == history.last
    assert compaction.snapshot_is_due(started(archive), month_later_s)
    assert not left.exists()

    assert compaction.compact(archive, month_later_s) == history.last
    assert not compaction.snapshot_is_due(started(archive), month_later_s)


def test_without_records_nothing_is_written(archive: Archive) -> None:
    assert compaction.compact(archive, NOW_S) == 0
    assert not archive.directory.exists()
