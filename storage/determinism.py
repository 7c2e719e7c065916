"""Statements whose rows follow from the state of their database, and from nothing else.

When in doubt a statement is none of them: a function has to be one that SQLite calls deterministic,
a table one of the file.
"""

from contextlib import closing
from functools import cache

import apsw

from storage import functions
from storage.connection import Session

ASK_THE_TIME = frozenset({
    "date", "datetime", "julianday", "strftime", "time", "timediff", "unixepoch",
})  # fmt: skip
"""SQLite calls them deterministic, and they are unless a value says 'now', or there is none."""

OF_FULL_TEXT = frozenset({"bm25", "highlight", "match", "matchinfo", "offsets", "snippet"})
"""They read the index, which lies in the file. SQLite says nothing of them."""

WITHOUT_A_FILE = frozenset({"json_each", "json_tree", "sqlite_master"})
"""Functions of their arguments alone, and the schema, which SQLite calls by that name only."""

_DETERMINISTIC = """
SELECT DISTINCT name FROM pragma_function_list WHERE flags & 0x800 OR type IN ('a', 'w')
"""
"""SQLITE_DETERMINISTIC, which SQLite does not say of aggregates and window functions."""

_IN_THE_FILE = "SELECT 1 FROM sqlite_schema WHERE name = ? AND type IN ('table', 'view')"


def is_determined(session: Session) -> bool:
    """Return whether the rows of the statement that was prepared last follow from the state."""
    policy = session.policy
    return (
        not policy.inspects
        and policy.functions <= _deterministic()
        and all(session.run(_IN_THE_FILE, table) for table in policy.tables - WITHOUT_A_FILE)
    )


@cache
def _deterministic() -> frozenset[str]:
    """Return the names of the functions whose results follow from their arguments and the file."""
    with closing(apsw.Connection(":memory:")) as connection:
        functions.install(connection, lambda: None)
        names = frozenset(str(name) for (name,) in connection.execute(_DETERMINISTIC))
    return names - ASK_THE_TIME | OF_FULL_TEXT
