"""The hint of an error that names something unknown: the name in the schema most like it."""

import re
from collections.abc import Callable

from sqlatch.kernel.errors import SqlatchError
from sqlatch.kernel.hints import NAMES_MAX, did_you_mean
from sqlatch.kernel.values import Row
from storage.policy import FUNCTIONS_REFUSED
from storage.translate import DatabaseReplaced, RecoveryNeeded, UnknownName, WriteRefused

Run = Callable[..., list[Row]]

TABLES_MAX = 20
"""Tables named in a statement whose columns are looked up."""

_TABLES = """
SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')
AND name NOT LIKE 'sqlatch!_%' ESCAPE '!' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'
ORDER BY name LIMIT ?
"""


def hint_of(unknown: UnknownName, sql: str, run: Run) -> str:
    """Return what stands behind SQLite's message: `; did you mean X?`, or nothing.

    `run` runs a statement of our own. The service's own tables are never named.
    """
    try:
        if unknown.kind == "function":
            return did_you_mean(unknown.name, _functions(run))
        tables = _tables(run)
        if unknown.kind == "table":
            return did_you_mean(unknown.name, tables)
        if unknown.table:
            return did_you_mean(unknown.name, _columns(run, [unknown.table], tables))
        named = _named_in(sql.lower(), tables)
        return did_you_mean(unknown.name.rpartition(".")[2], _columns(run, named, tables))
    except (SqlatchError, RecoveryNeeded, DatabaseReplaced, WriteRefused):
        # The statement's own error is the one to tell.
        return ""


def _tables(run: Run) -> list[str]:
    return [str(name) for (name,) in run(_TABLES, NAMES_MAX)]


def _named_in(sql: str, tables: list[str]) -> list[str]:
    words = set(re.findall(r"\w+", sql))
    return [table for table in tables if table.lower() in (words if table.isidentifier() else sql)]


def _columns(run: Run, tables: list[str], known: list[str]) -> list[str]:
    shown = {table.lower() for table in known}
    return [
        str(name)
        for table in tables[:TABLES_MAX]
        if table.lower() in shown
        for (name,) in run("SELECT name FROM pragma_table_xinfo(?) LIMIT ?", table, NAMES_MAX)
    ]


def _functions(run: Run) -> list[str]:
    found = run("SELECT DISTINCT name FROM pragma_function_list LIMIT ?", NAMES_MAX)
    return [str(name) for (name,) in found if name not in FUNCTIONS_REFUSED]
