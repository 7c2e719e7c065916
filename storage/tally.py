"""The statements that a request has run, of which its log line tells the shapes."""

from contextvars import ContextVar

import apsw

Ran = tuple[str, int, float, int]
"""The text, the number of sets of values, the seconds, and the rows that SQLite stepped over
without an index: these of a single set only, since SQLite counts for each run."""

RAN: ContextVar[list[Ran] | None] = ContextVar("ran", default=None)
"""A list while a request is logged, in this thread."""

PROFILE = apsw.SQLITE_TRACE_PROFILE
FULLSCAN = "SQLITE_STMTSTATUS_FULLSCAN_STEP"
