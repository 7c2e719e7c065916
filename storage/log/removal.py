"""A database on a log deleted, kept as it was, and brought back.

A deletion is a replacement by nothing: the log goes on behind a snapshot that has no page. So it is
a record like any other, which every writer that loses to it and every copy meets in its order, and
the numbers of its records go on when a database is made again under the name. What was before lies
in the files of the log, which end with the last state and are kept for a time.
"""

import os
import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

from sqlatch.kernel.errors import BadEvent
from storage.copies import exists_already
from storage.engines import Engine
from storage.log.archive import SNAPSHOT_LEVEL, Archive, Start
from storage.log.compaction import write_snapshot
from storage.log.keeping import keep_state, state_at
from storage.log.log import BASE_BYTES, NOTHING, base_name
from storage.log.ltx import Header, encode
from storage.log.replacement import Ready, go_on
from storage.log.replica import Replica

PAGE_SIZE = 4096
"""An LTX file says one, even of no pages."""

DELETED_AT_ONCE = 4
TEND_S = 5.0
"""Of logs that are deleted so many are tended in one pass of the reaper, each for so long."""

TIME_FORMAT = "%Y%m%dT%H%M%SZ"

_KEPT = re.compile(r"(?P<name>[a-z0-9][a-z0-9_-]{0,62})\.\d{8}T\d{6}Z-(?P<txid>[0-9a-f]{16})")


def removal(replica: Replica, deadline_s: float, *, at_ms: int) -> tuple[str, Ready]:
    """Keep the state of the copy, which is the newest, and lay a snapshot ready that has no page.

    Return the name of what is kept, and that snapshot.
    """
    keep_state(replica, deadline_s, for_days=True)
    base = NOTHING + os.urandom(BASE_BYTES - len(NOTHING))
    header = Header(PAGE_SIZE, pages=0, first=1, last=replica.txid + 1, at_ms=at_ms)
    replica.archive.arriving(base).put(SNAPSHOT_LEVEL, header, encode(header, (), literal=True))
    at = datetime.fromtimestamp(at_ms / 1000, UTC).strftime(TIME_FORMAT)
    kept = f"{replica.name}.{at}-{replica.txid:016x}"
    return kept, (base, partial(go_on, replica.log, replica.archive, base))


def brought_back(replica: Replica, kept: str, deadline_s: float, *, at_ms: int) -> Ready:
    """Lay the state that a deletion has kept ready, for a database that does not exist."""
    if replica.is_there:
        raise exists_already(replica.name)
    start = _kept_state(replica.archive, kept)
    if start is None:
        raise BadEvent(f"no deleted database is kept as {kept!r}", field="kept")
    keep_state(replica, deadline_s, for_days=replica.archive.history_s > 0)
    base = base_name()
    arriving = replica.archive.arriving(base)
    write_snapshot(arriving, start, last=replica.txid + 1, at_ms=at_ms)
    return base, partial(go_on, replica.log, replica.archive, base)


def forget(archive: Archive, before_s: float) -> bool:
    """Delete what is kept of a database, if it was deleted before then. Return whether there was.

    Only files of states before the deletion: one that was brought back meanwhile needs none.
    """
    start = archive.start()
    if start is None or start.tail or not start.snapshot.holds_nothing:
        return False
    if start.snapshot.at_ms >= before_s * 1000:
        return False
    kept = [file for file in archive.files() if file.last < start.last]
    archive.delete(kept)
    archive.packs.delete_before(before_s)
    return bool(kept)


def forget_some(
    engine: Engine, deleted: Sequence[str], archive: Callable[[str], Archive], before_s: float
) -> int:
    """Tend some logs that are deleted, others with each minute, and forget what they keep.

    Return how many were kept. A log stays, with the record that says that it is deleted.
    """
    if not deleted:
        return 0
    first = int(before_s / 60) * DELETED_AT_ONCE % len(deleted)
    some = [*deleted[first:], *deleted[:first]][:DELETED_AT_ONCE]
    forgotten = 0
    for name in some:
        engine.tend(name, time.time() + TEND_S)
        forgotten += forget(archive(name), before_s)
    return forgotten


def _kept_state(archive: Archive, kept: str) -> Start | None:
    found = _KEPT.fullmatch(kept)
    if found is None:
        return None
    return state_at(archive.of(found["name"]), int(found["txid"], 16))
