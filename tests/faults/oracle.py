"""Plain SQLite beside the handler: the same requests on a connection with the same settings."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from tests.faults.oracle_sql import Query

TEXT_ERRORS = (apsw.SQLError, apsw.MismatchError, apsw.RangeError, apsw.TooBigError)
ROWID_MAX = 2**63 - 1
CHANGING = ("INSERT", "REPLACE", "UPDATE", "DELETE")
INSERTING = ("INSERT", "REPLACE")


@dataclass(frozen=True)
class Refused:
    """An error: the contract's code, and SQLite's own name for it where that is told."""

    code: str
    sqlite_code: str | None = None


class Oracle:
    """A database of its own. What the service does around a statement is done here in few words."""

    def __init__(self, path: Path) -> None:
        self.connection = apsw.Connection(str(path), statementcachesize=0)
        self.connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
        self.connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
        self.connection.limit(apsw.SQLITE_LIMIT_LENGTH, 16 * 1024 * 1024)
        self.connection.execute("PRAGMA foreign_keys = ON")
        self.connection.execute("PRAGMA user_version = 0")

    def answer(self, request: list[Query]) -> list[dict[str, Any]] | Refused:
        """The results of a request, or why it was refused; then nothing of it is there."""
        alone = request[0].sql == "VACUUM"
        try:
            if len(request) == 1 and request[0].sql.startswith("EXPLAIN"):
                # ANALYZE that was rolled back: its counts are in memory, and not in the file.
                self.connection.execute("PRAGMA writable_schema = RESET")
            if not alone:
                self.connection.execute("BEGIN IMMEDIATE")
                self.connection.execute("SELECT 1 FROM sqlite_schema").fetchall()
            self.connection.set_last_insert_rowid(0)
            results = [self.run(query) for query in request]
            if not alone:
                self.connection.execute("COMMIT")
        except (apsw.Error, UnicodeDecodeError) as error:
            return _refused(error)
        finally:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
        return results

    def run(self, query: Query) -> dict[str, Any]:
        columns: list[str] = []

        def describe(cursor: apsw.Cursor, _sql: str, _values: Any) -> bool:
            columns[:] = [column[0] for column in cursor.get_description()]
            return True

        rows: list[Any] = []
        affected = 0
        changing = query.sql.startswith(CHANGING)
        for values in [query.parameters] if query.parameter_sets is None else query.parameter_sets:
            cursor = self.connection.cursor()
            cursor.exec_trace = describe
            rows += cursor.execute(query.sql, values or None)
            if changing:
                ((count,),) = self.connection.execute("SELECT changes()")
                affected += count
        return {
            "columns": columns,
            "rows": rows,
            "rows_affected": affected,
            "last_insert_rowid": (self.connection.last_insert_rowid() or None)
            if affected and query.sql.startswith(INSERTING)
            else None,
        }

    def takes_rowids_by_chance(self) -> bool:
        """Return whether a table holds the last rowid: SQLite then takes others at random."""
        for name in self.tables():
            try:
                ((last,),) = self.connection.execute(f"SELECT max(rowid) FROM {name}")
            except apsw.SQLError:  # WITHOUT ROWID
                continue
            if last == ROWID_MAX:
                return True
        return False

    def tables(self) -> list[str]:
        """Those that the requests made, without the shadows of virtual ones."""
        names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB '*_*'"
        return [name for (name,) in self.connection.execute(f"{names} ORDER BY name")]


def content(connection: apsw.Connection) -> dict[str, Any]:
    """All that is in a database, but for our own table."""
    schema: Any = connection.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_schema"
        " WHERE tbl_name <> 'sqlatch_idempotency' ORDER BY name"
    ).fetchall()
    return {
        name: [sql, _rows(connection, name) if kind == "table" else None]
        for kind, name, _table, sql in schema
        if not name.startswith("sqlite_stat")
    }


def typed(value: Any) -> Any:
    """A value such that only the same one of the same type is equal."""
    if isinstance(value, list | tuple):
        return [typed(each) for each in value]
    if isinstance(value, dict):
        if "base64" in value:
            return typed(base64.b64decode(value["base64"]))
        return typed(float(value["real"]))
    return type(value).__name__, repr(value)


def _rows(connection: apsw.Connection, name: str) -> Any:
    try:
        return typed(connection.execute(f'SELECT * FROM "{name}"').fetchall())
    except UnicodeDecodeError:
        return typed(connection.execute(f'SELECT count(*) FROM "{name}"').fetchall())


def _refused(error: Exception) -> Refused:
    if isinstance(error, apsw.ConstraintError):
        names: Any = apsw.mapping_extended_result_codes | {19: "SQLITE_CONSTRAINT"}
        return Refused("CONSTRAINT", names[vars(error)["extendedresult"]])
    if isinstance(error, (UnicodeDecodeError, *TEXT_ERRORS)):
        return Refused("STATEMENT_ERROR")
    if isinstance(error, apsw.FullError):  # AUTOINCREMENT after the last rowid there is.
        return Refused("STATEMENT_ERROR")
    if isinstance(error, apsw.CorruptError):  # Of a sound file too: a defect of SQLite's own.
        return Refused("DATABASE_CORRUPT")
    raise error
