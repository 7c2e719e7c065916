"""A process that compacts may die at each of its steps, and another may do the same beside it."""

import os
import shutil
import sys
from collections.abc import Callable
from functools import partial, reduce
from itertools import count
from pathlib import Path

import pytest

from storage.log import compaction
from storage.log.archive import Archive
from tests.storage.log import histories
from tests.storage.log.histories import History

MONTH_S = 40 * compaction.DAY_S
"""After this time a snapshot is due, and those before it are deleted."""

DIED = 9
CHANGES = {"open", "os.mkdir", "os.remove", "os.rename", "os.utime"}


@pytest.fixture
def history(tmp_path: Path) -> History:
    """33 records that are merged one by one, and 3 that are not."""
    history = histories.begun(tmp_path / "main.db")
    for _ in range(compaction.FILES_OF_A_LEVEL_MAX + 3):
        history.fill(20)
    archive = Archive(tmp_path / "before")
    compaction.merge(archive, history.records[:1])
    for record in history.records[1:-3]:
        compaction.merge(archive, [record])
    return history


def restored(archive: Archive) -> tuple[int, bytes]:
    start = archive.start()
    assert start is not None
    files = [file.path.read_bytes() for file in (start.snapshot, *start.tail)]
    return start.last, reduce(histories.applied, files, b"")


def contents(archive: Archive) -> dict[str, bytes]:
    found = archive.directory.rglob("*")
    return {
        str(path.relative_to(archive.directory)): path.read_bytes()
        for path in found
        if path.is_file()
    }


def forked(work: Callable[[], object]) -> int:
    """Run something in a process of its own, and return the id of that."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        work()
        status = 0
    finally:
        os._exit(status)


def exit_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die_after(changes: int) -> None:
    """End this process before it makes one more change to a file than these."""
    left = [changes]

    def count(event: str, arguments: tuple[object, ...]) -> None:
        if event in CHANGES and (event != "open" or arguments[1] == "xb"):
            left[0] -= 1
            if left[0] < 0:
                os._exit(DIED)

    sys.addaudithook(count)


def compact(archive: Archive, records: list[bytes], now_s: float) -> None:
    if records:
        compaction.take_in(archive, records)
    compaction.compact(archive, now_s)


def dying(archive: Archive, records: list[bytes], now_s: float, steps: int) -> None:
    die_after(steps)
    compact(archive, records, now_s)


def test_a_process_that_dies_at_any_step_leaves_a_whole_archive(
    history: History, tmp_path: Path
) -> None:
    now_s = history.path.stat().st_ctime + MONTH_S
    covered = history.last - 3
    undisturbed = Archive(shutil.copytree(tmp_path / "before", tmp_path / "undisturbed"))
    compact(undisturbed, history.records[covered:], now_s)

    for steps in count():
        archive = Archive(shutil.copytree(tmp_path / "before", tmp_path / f"after-{steps}"))
        status = exit_of(forked(partial(dying, archive, history.records[covered:], now_s, steps)))
        last, state = restored(archive)
        assert last in {covered, history.last}
        assert state == history.state(last)

        compact(archive, history.records[last:], now_s)
        archive.delete_unfinished(now_s)
        assert restored(archive) == (history.last, history.state(history.last))
        assert contents(archive) == contents(undisturbed)
        if status != DIED:
            break

    assert status == 0
    # Three files are written, and those that they make unnecessary are deleted.
    assert steps > 40


def test_each_commit_that_a_process_merged_can_be_read_wherever_it_dies(
    history: History, tmp_path: Path
) -> None:
    """A log goes on being merged behind the files: whatever they lead up to is in the packs."""
    covered = history.last - 3

    for steps in count():
        archive = Archive(shutil.copytree(tmp_path / "before", tmp_path / f"after-{steps}"))
        status = exit_of(forked(partial(dying_as_it_takes_in, archive, history, steps)))
        last, _state = restored(archive)
        packed = [one for pack in archive.packs.all() for one in archive.packs.read(pack)]
        kept = {one.txid for one in packed}
        assert kept >= set(range(covered + 1, last + 1))
        if status != DIED:
            break

    assert status == 0
    assert steps > 5


def dying_as_it_takes_in(archive: Archive, history: History, steps: int) -> None:
    die_after(steps)
    compaction.take_in(archive, history.records[-3:])


def test_processes_that_compact_at_the_same_time_do_no_harm(
    history: History, tmp_path: Path
) -> None:
    archive = Archive(tmp_path / "before")
    now_s = history.path.stat().st_ctime

    def work(more: int) -> None:
        for last in range(history.last - 3 + more, history.last + 1):
            start = archive.start()
            assert start is not None
            compact(archive, history.records[start.last : last], now_s)
            compaction.write_snapshot(archive, start)

    children = [forked(partial(work, process % 2)) for process in range(4)]

    assert [exit_of(child) for child in children] == [0, 0, 0, 0]
    assert restored(archive) == (history.last, history.state(history.last))
    assert not [name for name in contents(archive) if "arriving" in name]
