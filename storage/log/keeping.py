"""The last state of a database, and each before it, in the files of its log.

Behind a snapshot that takes the place of a database the reaper finds the records before it no more.
"""

from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from typing import TypeVar

from sqlatch.kernel.errors import StorageError, Timeout
from storage.log.archive import Archive, Start
from storage.log.compaction import next_base, take_in_all, write_snapshot
from storage.log.log import Gone, Place
from storage.log.replica import Replica

SNAPSHOTS_TAKEN_MAX = 8
"""More replacements of one database do not come while its log is read."""

T = TypeVar("T")


def keep_state(replica: Replica, deadline_s: float, *, for_days: bool) -> None:
    """Have the files of a database lead up to the state of its copy, which is the newest, if there
    was one.

    A snapshot that only lies ready is deleted a day after the log has gone on, so `for_days` it is
    written as one that stays, which takes its size in time.
    """
    archive, txid = replica.archive.of(replica.name), replica.txid
    if not txid:
        return

    def take_in() -> None:
        start = archive.start()
        place = Place(epoch=0, offset=0, txid=start.last if start else 0)
        with closing(replica.open_log(place, None)) as log:
            take_in_all(archive, log, deadline_s, txid)

    with_snapshots_taken_in(archive, replica.name, take_in, taken_in=partial(keep_base, archive))
    start = archive.start()
    if for_days and start is not None and start.snapshot.lies_ready:
        write_snapshot(archive, next_base(start))
    if state_at(archive, txid) is None:
        raise StorageError(
            f"the last state of database {replica.name!r} could not be kept; try again"
        )


def keep_base(archive: Archive, base: bytes) -> None:
    """Take a snapshot in, and give one that only lies ready a name of its own: what follows may be
    the whole database again, and then nothing else would know its state."""
    archive.adopt(base)
    start = archive.start()
    if archive.history_s and start is not None and start.snapshot.lies_ready:
        with suppress(Timeout):
            write_snapshot(archive, next_base(start))


def with_snapshots_taken_in(
    archive: Archive, name: str, step: Callable[[], T], *, taken_in: Callable[[bytes], None]
) -> T:
    """Return what `step` does, which reads the log from where the files end.

    Where the log goes on behind a snapshot that its maker has not taken in, `taken_in` is called
    with its name before `step` is called again.
    """
    taken = set[bytes]()
    while len(taken) < SNAPSHOTS_TAKEN_MAX:
        try:
            return step()
        except Gone as gone:
            if gone.base in taken:
                raise StorageError(
                    f"the log of database {name!r} goes on only later than its files end, and"
                    f" there is no file that leads there: {gone}"
                ) from gone
            taken.add(gone.base)
            taken_in(gone.base)
    raise StorageError(
        f"the log of database {name!r} was replaced {SNAPSHOTS_TAKEN_MAX} times while it was"
        " merged; try again"
    )


def state_at(archive: Archive, txid: int) -> Start | None:
    """Return the files that end with the state after a transaction, if there are such files."""
    start = archive.start_up_to(txid)
    return start if start is not None and start.last == txid else None
