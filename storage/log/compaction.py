"""Compaction merges records into files and snapshots, and deletes what is not needed any more."""

import heapq
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from io import BytesIO
from itertools import groupby, pairwise, takewhile
from math import inf
from pathlib import Path
from typing import BinaryIO, TypeVar

from sqlatch.kernel import nfs
from sqlatch.kernel.errors import Timeout
from storage.log import ltx
from storage.log.archive import SNAPSHOT_LEVEL, Archive, LtxFile, Old, Start
from storage.log.chain import Settled
from storage.log.durable import BUFFER_BYTES
from storage.log.log import HISTORY_S, Log
from storage.log.ltx import Damaged, Header

DAY_S = 86_400

TAIL_BYTES_MAX = 8_000_000
TAIL_SHARE_MAX = 0.1
SNAPSHOT_AGE_MAX_S = DAY_S
"""A snapshot is due when what follows the newest is larger than both of these, or with its age."""

FILES_OF_A_LEVEL_MAX = 32
"""So many files of one level in a row become one of the next: a new instance opens few."""

SNAPSHOTS_KEPT_S = 30 * DAY_S
FILES_KEPT_S = 7 * DAY_S
REPLACED_KEPT_S = DAY_S
"""An instance may still read, or fetch pages from, what a snapshot has replaced."""

RECORDS_KEPT_S = 3_600
"""An instance that is behind by less than this goes on in the log, without a snapshot."""

LATE = "its snapshot was not written by the deadline; give the reaper a longer timeout"

Files = TypeVar("Files", bound=Archive)
Pages = Iterator[tuple[int, bytes]]
Source = tuple[Header, Pages]


@contextmanager
def tended(
    archive: Callable[[Callable[[], None]], Files], database: str, deadline_s: float
) -> Iterator[Files]:
    """Give an archive that gives up what it writes at the deadline.

    Timeout if a snapshot is due at the end of the block, and the deadline has passed.
    """

    def check() -> None:
        if time.time() >= deadline_s:
            raise Timeout(f"database {database!r}: {LATE}")

    files = archive(check)
    yield files
    start = files.start()
    if start is not None and snapshot_is_due(start, time.time()):
        check()


def take_in_all(archive: Archive, log: Log, deadline_s: float, to: float = inf) -> None:
    """Take in the records of a log up to a number. It stands where the files of the archive end."""
    has_more = True
    while has_more:
        if records := [each.content for each in log.sync(deadline_s) if each.txid <= to]:
            take_in(archive, records)
        has_more = log.has_more and log.place.txid < to


def compact(archive: Archive, now_s: float) -> int:
    """Merge files where there are many, write a snapshot if one is due, and delete files. Return
    the transaction up to which the log itself may be deleted.

    A snapshot that the archive's `check` gave up is still due then, and all else is done.
    """
    merge_levels(archive)
    start = archive.start()
    if start and snapshot_is_due(start, now_s):
        archive.packs.delete_before(now_s - archive.history_s)
        with suppress(Timeout):
            write_snapshot(archive, next_base(start))
    archive.delete(not_kept(archive.files(), now_s, archive.history_s))
    archive.delete_unfinished(now_s - DAY_S)
    long_covered = archive.start(lambda file: file.written_s <= now_s - RECORDS_KEPT_S)
    return long_covered.last if long_covered else 0


def take_in(archive: Archive, records: Sequence[bytes]) -> None:
    """Merge records into one file, and keep them as they are for their time. Damaged."""
    if archive.history_s:
        archive.packs.keep(records)
    merge(archive, records)


def merge(archive: Archive, records: Sequence[bytes]) -> LtxFile:
    """Merge records, which follow each other, into one file. Damaged.

    With a record of the whole database among them, it is a snapshot.
    """
    header, pages = merged([ltx.scan(BytesIO(record)) for record in records])
    start = archive.start()
    covered = start.last if start else 0
    if not header.is_snapshot and header.first > covered + 1:
        raise ValueError(f"transaction {header.first} does not follow {covered}")
    return _put(archive, 1, header, pages)


def merge_levels(archive: Archive) -> None:
    """Merge files of a level where there are many of them in a row."""
    for level in range(1, SNAPSHOT_LEVEL - 1):
        start = archive.start()
        for of_level, group in groupby(start.tail if start else (), lambda file: file.level):
            run = list(group)
            if of_level == level and len(run) >= FILES_OF_A_LEVEL_MAX:
                with archive.opened(run) as files:
                    _put(archive, level + 1, *merged([ltx.scan(file) for file in files]))


def snapshot_is_due(start: Start, now_s: float) -> bool:
    """Return whether a new instance would read much behind the newest snapshot, or one that lies
    ready, which nothing but a record of the log names."""
    if start.snapshot.lies_ready:
        return True
    tail_bytes = sum(file.size_bytes for file in start.tail)
    tail_bytes_max = max(TAIL_BYTES_MAX, TAIL_SHARE_MAX * start.snapshot.size_bytes)
    age_s = now_s - start.snapshot.written_s
    return bool(start.tail) and (tail_bytes > tail_bytes_max or age_s >= SNAPSHOT_AGE_MAX_S)


def next_base(start: Start) -> Start:
    """Return what the next snapshot is written of: one that lies ready alone, to keep its state."""
    return Start(start.snapshot, ()) if start.snapshot.lies_ready else start


def write_snapshot(
    archive: Archive, start: Start, *, last: int | None = None, at_ms: int | None = None
) -> LtxFile:
    """Write the state of a snapshot and of what follows it as a snapshot. Damaged.

    As that after a later transaction `last`, made at `at_ms`, where they are given.
    """
    with archive.opened([start.snapshot, *start.tail]) as files:
        base, *tail = [ltx.scan(file) for file in files]
        changed = set[int]()
        header, pages = merged([base, *(_noted(source, changed) for source in tail)])
        header = replace(header, last=last or header.last, at_ms=at_ms or header.at_ms)
        old = Old(start.snapshot, partial(_is_same, base[0], header, changed))
        return _put(archive, SNAPSHOT_LEVEL, header, pages, old)


def write_copy(archive: Archive, copy: Path, *, last: int, at_ms: int) -> LtxFile:
    """Write a snapshot of a whole database file, to which nobody writes meanwhile.

    It is the state after the transaction `last`, which was made at `at_ms`. The mark of WAL is
    taken off: every instance would open its copy in that mode.
    """
    with copy.open("rb", buffering=BUFFER_BYTES) as file:
        head = file.read(ltx.HEADER.size)
        page_size = int.from_bytes(head[16:18], "big")
        header = Header(
            page_size=1 << 16 if page_size == 1 else page_size,
            pages=int.from_bytes(head[28:32], "big"),
            first=1,
            last=last,
            at_ms=at_ms,
        )
        return _put(archive, SNAPSHOT_LEVEL, header, _pages_of(file, header))


def merged(sources: Sequence[Source]) -> Source:
    """Return what has the effect of all sources, one after the other.

    Of each page the newest is taken. What is a whole database makes those before it unnecessary.
    """
    headers = [header for header, _pages in sources]
    begin = max((at for at, header in enumerate(headers) if header.is_snapshot), default=0)
    sources, headers = sources[begin:], headers[begin:]
    for before, header in pairwise(headers):
        if not header.first <= before.last + 1 <= header.last:
            raise Damaged(f"transactions {header.first} to {header.last} follow {before.last}")
        if header.page_size != before.page_size:
            raise Damaged(f"pages of {header.page_size} bytes follow those of {before.page_size}")
    return replace(headers[-1], first=headers[0].first), _newest_pages(sources)


def not_kept(files: Sequence[LtxFile], now_s: float, history_s: float = HISTORY_S) -> list[LtxFile]:
    """Return the files that may be deleted.

    Every file of the last 7 days is kept, or of the history, if that is longer, and the last
    snapshot of each of 30 days. So is the snapshot from which each of these times begins, so that a
    state in it can be restored, and the one before a deletion in the last 7 days.
    """
    snapshots = [file for file in files if file.level == SNAPSHOT_LEVEL]
    oldest = _base(snapshots, now_s - SNAPSHOTS_KEPT_S)
    last_of_day = {file.at_ms // (DAY_S * 1_000): file for file in snapshots}
    deleted = {
        file
        for file, successor in pairwise(snapshots)
        if now_s - successor.written_s >= REPLACED_KEPT_S
        and not (successor.holds_nothing and successor.at_ms > (now_s - FILES_KEPT_S) * 1_000)
        and (file not in last_of_day.values() or file.last < oldest)
    }
    kept = [
        file
        for file in snapshots
        if file not in deleted and now_s - file.written_s >= REPLACED_KEPT_S
    ]
    needed = _base(kept, now_s - max(FILES_KEPT_S, history_s))
    return [
        file
        for file in files
        if (file in deleted if file.level == SNAPSHOT_LEVEL else file.last <= needed)
    ]


def not_needed(segments: Sequence[Settled], floor: int) -> list[int]:
    """Return the epochs of the segments that may be removed, since files have all up to `floor`.

    `segments` are those that nothing can be added to. One behind a segment that is kept is kept.
    """
    in_order = sorted(segments, key=lambda segment: segment.epoch)
    return [each.epoch for each in takewhile(lambda each: each.last_txid <= floor, in_order)]


def _put(
    archive: Archive, level: int, header: Header, pages: Pages, old: Old | None = None
) -> LtxFile:
    literal = header.is_snapshot
    pieces = ltx.encode(header, pages, literal=literal)
    return archive.put(SNAPSHOT_LEVEL if literal else level, header, pieces, old)


def _noted(source: Source, changed: set[int]) -> Source:
    """Return the source, of which each page is noted before it is taken."""
    header, pages = source

    def noted() -> Pages:
        for page, content in pages:
            changed.add(page)
            yield page, content

    return header, noted()


def _is_same(old: Header, new: Header, changed: set[int], first: int, behind: int) -> bool:
    """Return whether two snapshots have the same bytes there, with these pages changed between.

    In both, a page lies at the same place. The header and what is behind the frames are new.
    """
    size = new.page_size
    if first < ltx.HEADER.size or behind > ltx.offset_of(min(old.pages, new.pages) + 1, size):
        return False
    last = ltx.page_at(behind - 1, size)
    is_same = changed.isdisjoint(range(ltx.page_at(first, size), last + 1))
    changed.difference_update([page for page in changed if page < last])
    return is_same


def _newest_pages(sources: Sequence[Source]) -> Pages:
    """Merge by page; a page beyond a later size of the database was cut off."""
    pages_max = sources[-1][0].pages
    ranked = []
    for age, (header, pages) in enumerate(reversed(sources)):
        pages_max = min(pages_max, header.pages)
        ranked.append(_ranked(age, pages, pages_max))
    previous = 0
    for page, _age, content in heapq.merge(*ranked):
        if page != previous:
            yield page, content
        previous = page


def _ranked(age: int, pages: Pages, pages_max: int) -> Iterator[tuple[int, int, bytes]]:
    for page, content in pages:
        if page <= pages_max:
            yield page, age, content


def _pages_of(file: BinaryIO, header: Header) -> Pages:
    lock = ltx.lock_page(header.page_size)
    file.seek(0)
    first = file.read(header.page_size)
    yield 1, first[: nfs.VERSIONS_OFFSET] + b"\1\1" + first[nfs.VERSIONS_OFFSET + 2 :]
    for page in range(2, header.pages + 1):
        content = file.read(header.page_size)
        if page != lock:
            yield page, content


def _base(snapshots: Sequence[LtxFile], at_s: float) -> int:
    """Return the last transaction of the snapshot that was the newest at that time, or 0."""
    return max((file.last for file in snapshots if file.at_ms <= at_s * 1_000), default=0)
