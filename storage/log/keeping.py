"""The last state of a database, and each before it, in the files of its log.

Behind a snapshot that takes the place of a database the reaper finds the records before it no more.
"""

from sqlatch.kernel.errors import StorageError
from storage.log.archive import Archive, Start
from storage.log.compaction import take_in_all, write_snapshot
from storage.log.log import Gone, Place
from storage.log.replica import Replica

SNAPSHOTS_TAKEN_MAX = 8
"""More replacements of one database do not come while its last state is kept."""


def keep_state(replica: Replica, deadline_s: float, *, for_days: bool) -> None:
    """Have the files of a database lead up to the state of its copy, which is the newest.

    A snapshot that only lies ready is deleted a day after the log has gone on, so `for_days` it is
    written as one that stays, which takes its size in time.
    """
    archive, txid = replica.archive.of(replica.name), replica.txid
    for _snapshot in range(SNAPSHOTS_TAKEN_MAX):
        start = archive.start()
        log = replica.open_log(Place(epoch=0, offset=0, txid=start.last if start else 0), None)
        try:
            take_in_all(archive, log, deadline_s, txid)
        except Gone as gone:
            archive.adopt(gone.base)
            continue
        finally:
            log.close()
        start = archive.start()
        if for_days and start is not None and start.snapshot.lies_ready:
            write_snapshot(archive, start)
        break
    if state_at(archive, txid) is None:
        raise StorageError(
            f"the last state of database {replica.name!r} could not be kept; try again"
        )


def state_at(archive: Archive, txid: int) -> Start | None:
    """Return the files that end with the state after a transaction, if there are such files."""
    start = archive.start_up_to(txid)
    return start if start is not None and start.last == txid else None
