"""What is in a database: its tables and views with their columns, and the SQL that makes them."""

from dataclasses import dataclass

from sqlatch.client import Client
from sqlatch.errors import DatabaseNotFound

_COLUMNS = """
    SELECT list.name, list.type, list.wr, info.name, info.type, info.pk, info.hidden
    FROM pragma_table_list AS list JOIN pragma_table_xinfo(list.name) AS info
    WHERE list.schema = 'main' AND list.name NOT GLOB 'sqlite_*' AND list.name NOT GLOB 'sqlatch_*'
    ORDER BY list.name, info.cid
"""
_SQL = """
    SELECT name, type, tbl_name, sql FROM sqlite_schema
    WHERE sql IS NOT NULL AND tbl_name NOT GLOB 'sqlatch_*' AND name NOT GLOB 'sqlite_*'
    ORDER BY CASE type WHEN 'table' THEN 0 WHEN 'view' THEN 1 WHEN 'index' THEN 2 ELSE 3 END, rowid
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `key` is its place in the primary key, 0 if it is not of it."""

    name: str
    declared: str
    key: int
    is_generated: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table, or what looks like one: `kind` is table, view, virtual or shadow."""

    name: str
    kind: str
    has_rowid: bool
    columns: tuple[Column, ...]

    @property
    def stored(self) -> tuple[Column, ...]:
        """The columns that a row is given."""
        return tuple(column for column in self.columns if not column.is_generated)


@dataclass(frozen=True, slots=True)
class Definition:
    """The SQL that made something; `table` is what it belongs to, itself if it is a table."""

    name: str
    kind: str
    table: str
    sql: str


def tables(client: Client) -> list[Table]:
    """Tables and views, by name; none in a database that does not exist yet."""
    try:
        rows = client.query(_COLUMNS).rows
    except DatabaseNotFound:
        return []
    found: dict[str, tuple[str, bool, list[Column]]] = {}
    for name, kind, without_rowid, column, declared, key, hidden in rows:
        columns = found.setdefault(str(name), (str(kind), not without_rowid, []))[2]
        # 1 is a virtual table's own: it is no part of a row. 2 and 3 are generated.
        if hidden != 1:
            columns.append(Column(str(column), str(declared), int(str(key)), bool(hidden)))
    return [
        Table(name, kind, has_rowid, tuple(columns))
        for name, (kind, has_rowid, columns) in found.items()
    ]


def definitions(client: Client) -> list[Definition]:
    """What made the database: tables first, then views, indexes and triggers."""
    try:
        rows = client.query(_SQL).rows
    except DatabaseNotFound:
        return []
    return [Definition(*map(str, row)) for row in rows]


def table_named(client: Client, name: str) -> Table | None:
    """The table of a name, whose case does not count, as to SQLite."""
    return next((table for table in tables(client) if table.name.lower() == name.lower()), None)


def quoted(name: str) -> str:
    """A name as SQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'
