"""A database that comes whole, as a file: laid ready, so that one step commits it."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from storage import copies
from storage.log.archive import Archive
from storage.log.capture import whole_of
from storage.log.compaction import write_copy
from storage.log.log import BASE_BYTES, COMMIT_ID_BYTES, TakesSnapshots
from storage.log.replica import Replica


def replacement(replica: Replica, copy: Path, *, at_ms: int) -> tuple[bytes, Callable[[], None]]:
    """Lay a file ready that is to replace a database; return its commit id, and what commits it."""
    if isinstance(replica.log, TakesSnapshots):
        base, scratch = os.urandom(BASE_BYTES), replica.file.path.with_name("arriving")
        lay_ready(replica.archive, base, copy, scratch, last=replica.txid + 1, at_ms=at_ms)
        return base, partial(_go_on, replica.log, replica.archive, base)
    commit_id = os.urandom(COMMIT_ID_BYTES)
    content = whole_of(copies.content_of(copy)).record(replica.txid + 1, at_ms=at_ms)
    return commit_id, partial(replica.append, commit_id, content)


def _go_on(log: TakesSnapshots, archive: Archive, base: bytes) -> None:
    log.replace(base)
    archive.adopt(base)


def lay_ready(
    archive: Archive, base: bytes, copy: Path, scratch: Path, *, last: int, at_ms: int
) -> None:
    """Write a database file as a snapshot that a log is to go on behind, by way of `scratch`."""
    try:
        copies.copy_whole(copy, scratch)
        write_copy(archive.arriving(base), scratch, last=last, at_ms=at_ms)
    finally:
        scratch.unlink(missing_ok=True)
