"""The policy for a user's statements: SQLite's authorizer, and its lists of what is permitted."""

from collections.abc import Iterator
from contextlib import contextmanager

import apsw

from sqlatch.kernel.hints import did_you_mean

OWN_PREFIX = "sqlatch_"

MODULES = frozenset({"fts3", "fts4", "fts5", "geopoly", "rtree", "rtree_i32", "vec0"})
"""Virtual tables whose content lies in the database file and nowhere else."""

FUNCTIONS_REFUSED = frozenset({"fts3_tokenizer", "load_extension"})

PRAGMAS_BARE = frozenset({
    "application_id", "auto_vacuum", "cache_size", "collation_list", "compile_options",
    "data_version", "database_list", "defer_foreign_keys", "encoding", "foreign_key_check",
    "foreign_key_list", "foreign_keys", "freelist_count", "function_list", "incremental_vacuum",
    "index_info", "index_list", "index_xinfo", "integrity_check", "max_page_count", "module_list",
    "optimize", "page_count", "page_size", "pragma_list", "quick_check", "read_uncommitted",
    "recursive_triggers",
    "schema_version", "synchronous", "table_info", "table_list", "table_xinfo", "user_version",
})  # fmt: skip
"""PRAGMAs that may be named without a value."""

PRAGMAS_WITH_VALUE = frozenset({
    "application_id", "defer_foreign_keys", "foreign_key_check", "foreign_key_list",
    "incremental_vacuum", "index_info", "index_list", "index_xinfo", "integrity_check",
    "optimize", "quick_check", "table_info", "table_list", "table_xinfo", "user_version",
})  # fmt: skip
"""PRAGMAs that may be given a value: they name what to look at, or set what lies in the file.

None of them changes the connection, which the next request will use: `defer_foreign_keys` falls
back at the end of its transaction.
"""

_TABLE_IS_FIRST = frozenset({
    apsw.SQLITE_READ, apsw.SQLITE_INSERT, apsw.SQLITE_UPDATE, apsw.SQLITE_DELETE,
    apsw.SQLITE_CREATE_TABLE, apsw.SQLITE_DROP_TABLE, apsw.SQLITE_CREATE_VIEW,
    apsw.SQLITE_DROP_VIEW, apsw.SQLITE_CREATE_VTABLE, apsw.SQLITE_DROP_VTABLE,
})  # fmt: skip
_TABLE_IS_SECOND = frozenset({
    apsw.SQLITE_ALTER_TABLE, apsw.SQLITE_CREATE_INDEX, apsw.SQLITE_DROP_INDEX,
    apsw.SQLITE_CREATE_TRIGGER, apsw.SQLITE_DROP_TRIGGER,
})  # fmt: skip
_CREATE = frozenset({
    apsw.SQLITE_CREATE_TABLE, apsw.SQLITE_CREATE_VIEW, apsw.SQLITE_CREATE_VTABLE,
    apsw.SQLITE_CREATE_INDEX, apsw.SQLITE_CREATE_TRIGGER,
})  # fmt: skip
"""With the schema temp these make what is temporary too: CREATE TABLE temp.t."""

_DEFINE = _CREATE | {
    apsw.SQLITE_ALTER_TABLE, apsw.SQLITE_ANALYZE, apsw.SQLITE_DROP_INDEX, apsw.SQLITE_DROP_TABLE,
    apsw.SQLITE_DROP_TRIGGER, apsw.SQLITE_DROP_VIEW, apsw.SQLITE_DROP_VTABLE, apsw.SQLITE_REINDEX,
}  # fmt: skip

_CHANGES = frozenset({apsw.SQLITE_INSERT, apsw.SQLITE_UPDATE, apsw.SQLITE_DELETE})
_REFUSED = {
    apsw.SQLITE_ATTACH: "ATTACH: a request works on one database",
    apsw.SQLITE_DETACH: "DETACH: a request works on one database",
    apsw.SQLITE_TRANSACTION: "transaction control: several `statements` are one transaction",
    apsw.SQLITE_SAVEPOINT: "transaction control: several `statements` are one transaction",
    apsw.SQLITE_CREATE_TEMP_TABLE: "temporary tables: nothing outlives a request",
    apsw.SQLITE_CREATE_TEMP_INDEX: "temporary indexes: nothing outlives a request",
    apsw.SQLITE_CREATE_TEMP_VIEW: "temporary views: nothing outlives a request",
    apsw.SQLITE_CREATE_TEMP_TRIGGER: "temporary triggers: nothing outlives a request",
}


LIMITS = {
    apsw.SQLITE_LIMIT_LENGTH: 16 * 1024 * 1024,
    apsw.SQLITE_LIMIT_SQL_LENGTH: 1_000_000,
    apsw.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 200,
    apsw.SQLITE_LIMIT_ATTACHED: 1,
    apsw.SQLITE_LIMIT_WORKER_THREADS: 0,
}
"""A value or row has at most 16 MiB (a reply at most 6 MB), a text of SQL 1 MB as in stock SQLite.
One LIKE is one step, which no deadline ends, and takes 2 ns times text times pattern. VACUUM
attaches a database of its own, hence the one."""

FIRING = (
    apsw.SQLITE_DBCONFIG_ENABLE_FKEY, apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER,
    apsw.SQLITE_DBCONFIG_ENABLE_VIEW,
)  # fmt: skip
"""Unlike PRAGMA foreign_keys they can be switched within a transaction, at some 10 us."""


class Policy:
    """The authorizer of one connection, in force but while the service's own SQL runs.

    SQLite asks it when a statement is prepared; `refusal` says why it was refused, if it was.
    `defines` says whether it makes, changes or drops a table, an index, a trigger or a view,
    `changes` whether it is itself, and no trigger of it, an INSERT, an UPDATE or a DELETE,
    `inserted` into which tables it inserts, `inspects` whether it is a PRAGMA. `functions` and
    `tables` are the names of those that it calls and reads, those of views included.
    """

    def __init__(self) -> None:
        self.is_in_force = True
        self.refusal = ""
        self.defines = False
        self.inspects = False
        self.functions: set[str] = set()
        self.tables: set[str] = set()
        self._changes: set[tuple[int, str]] = set()

    def note_anew(self) -> None:
        """Forget what the statement before does: the facts add up while one is prepared."""
        self.defines = False
        self.inspects = False
        self.functions.clear()
        self.tables.clear()
        self._changes.clear()

    @property
    def changes(self) -> bool:
        return bool(self._changes)

    @property
    def inserted(self) -> set[str]:
        """The tables of its INSERTs, and of those that a virtual table prepares when opened."""
        return {table for operation, table in self._changes if operation == apsw.SQLITE_INSERT}

    def __call__(
        self,
        operation: int,
        first: str | None,
        second: str | None,
        schema: str | None,
        by: str | None,
    ) -> int:
        if not self.is_in_force:
            return apsw.SQLITE_OK
        self.defines |= operation in _DEFINE
        self.inspects |= operation == apsw.SQLITE_PRAGMA
        if operation == apsw.SQLITE_FUNCTION:
            self.functions.add(second or "")
        elif operation == apsw.SQLITE_READ:
            self.tables.add(first or "")
        if operation in _CHANGES and by is None:
            self._changes.add((operation, first or ""))
        refusal = _refusal(operation, first or "", second)
        if schema == "temp" and operation in _CREATE:
            refusal = refusal or "the schema temp: nothing outlives a request"
        if refusal is None:
            return apsw.SQLITE_OK
        self.refusal = refusal
        return apsw.SQLITE_DENY


def _refusal(operation: int, first: str, second: str | None) -> str | None:
    if operation in _REFUSED:
        return _REFUSED[operation]
    if operation == apsw.SQLITE_PRAGMA:
        return _pragma_refusal(first.lower(), second)
    if operation == apsw.SQLITE_FUNCTION and (second or "").lower() in FUNCTIONS_REFUSED:
        return f"the function {second}()"
    if operation == apsw.SQLITE_CREATE_VTABLE and (second or "").lower() not in MODULES:
        return f"the virtual table module {second}"
    table = first if operation in _TABLE_IS_FIRST else ""
    if operation in _TABLE_IS_SECOND:
        table = second or ""
    if table.lower().startswith(OWN_PREFIX):
        return f"{table}: tables named {OWN_PREFIX}... are the service's own"
    return None


def _pragma_refusal(name: str, argument: str | None) -> str | None:
    if name in (PRAGMAS_BARE if argument is None else PRAGMAS_WITH_VALUE):
        return None
    if name in PRAGMAS_BARE:
        return f"PRAGMA {name} with a value"
    return f"PRAGMA {name}{did_you_mean(name, PRAGMAS_BARE | PRAGMAS_WITH_VALUE)}"


@contextmanager
def firing_nothing(connection: apsw.Connection) -> Iterator[None]:
    """Within it the triggers, views and foreign keys of the file do nothing.

    A statement of our own runs without the policy, and so would what it fires.
    """
    before = [(option, connection.config(option, -1)) for option in FIRING]
    try:
        for option in FIRING:
            connection.config(option, 0)
        yield
    finally:
        for option, value in before:
            connection.config(option, value)
