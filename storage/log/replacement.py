"""A database that comes whole, as a file: laid ready as a snapshot, so that one step commits it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from sqlatch.kernel.errors import StorageError
from storage import copies
from storage.log.archive import Archive
from storage.log.compaction import write_copy
from storage.log.keeping import keep_state
from storage.log.log import Log, base_name
from storage.log.replica import Replica

Ready = tuple[bytes, Callable[[], None]]
"""The name of a snapshot that lies ready, and what has the log go on behind it."""


def replacement(replica: Replica, copy: Path, deadline_s: float) -> Ready:
    """Lay a file ready that is to replace a database; return its name, and what commits it.

    Before, the database as it is gets into the files of the log, so that it can be read again.
    """
    keep_state(replica, deadline_s, for_days=replica.archive.history_s > 0)
    base, scratch = base_name(), replica.file.path.with_name("arriving")
    at_ms = int(replica.now() * 1000)
    lay_ready(copy, scratch, replica.archive, base, replica.txid + 1, at_ms=at_ms)
    return base, partial(go_on, replica.log, replica.archive, base)


def go_on(log: Log, archive: Archive, base: bytes) -> None:
    """Commit a snapshot that lies ready."""
    log.replace(base)
    archive.adopt(base)


def files_of_another(archive: Archive) -> StorageError:
    """Return the error for files with which each copy of a log that begins would begin."""
    return StorageError(
        f"the files of {archive.directory} belong to another log, which is gone: restore that one,"
        " or move them away"
    )


def lay_ready(
    copy: Path, scratch: Path, archive: Archive, base: bytes, last: int, *, at_ms: int
) -> None:
    """Write a database file as a snapshot that a log is to go on behind, by way of `scratch`."""
    try:
        copies.copy_whole(copy, scratch)
        write_copy(archive.arriving(base), scratch, last=last, at_ms=at_ms)
    finally:
        scratch.unlink(missing_ok=True)
