"""The memory that statements may take: SQLite's own limit on its heap, and the process's."""

import resource
from math import inf

import apsw

DEFAULT_BYTES = 1024 * 1024 * 1024
"""The memory assumed of a process whose limit is not known."""

SQLITE_SHARE = 0.4
"""Of all memory, what SQLite may take: caches, sorters, and the pages that a transaction changes,
which are not spilled. The rest is for rows on their way out, and the reply."""

SQLITE_CACHES_SHARE = 0.2
"""From here on a cache reuses its own pages instead of taking more."""

KEPT_SHARE = 0.4
"""Of SQLite's memory, what the connections that are kept open may keep from request to request. The
rest is there for the request that comes."""

PROCESS_SHARE = 0.85
"""Of a Lambda function's memory, what the process may take: at all of it, it would be killed, with
its lease in hand. The rest is what the system counts besides: libraries, and the runtime's own."""


def limit_memory(total_bytes: int | None) -> None:
    """Set the limits of this process, whose memory is given, if it is known.

    What needs more gets an error of SQLite's or a MemoryError, and the process goes on.
    """
    of_sqlite = total_bytes or DEFAULT_BYTES
    apsw.hard_heap_limit(int(of_sqlite * SQLITE_SHARE))
    apsw.soft_heap_limit(int(of_sqlite * SQLITE_CACHES_SHARE))
    if total_bytes is not None:
        _soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (int(total_bytes * PROCESS_SHARE), hard))


sqlite_bytes = apsw.memory_used
"""The bytes that SQLite holds now."""


def sqlite_bytes_max() -> int:
    """Return the most bytes that SQLite may hold; 0 where there is no limit."""
    return apsw.hard_heap_limit(-1)


def kept_bytes_max() -> float:
    """Return what may be kept from request to request."""
    return sqlite_bytes_max() * KEPT_SHARE or inf


def keeps_too_much() -> bool:
    """Return whether SQLite holds more than may be kept from request to request."""
    return sqlite_bytes() > kept_bytes_max()
