"""The schema of a database: tables and views with their columns, and the SQL that makes them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from string import ascii_lowercase, ascii_uppercase

from sqlatch.client import Client
from sqlatch.errors import DatabaseNotFound

_COLUMNS = """
    SELECT list.name, list.type, list.wr, info.name, info.type, info.pk, info.hidden,
        EXISTS (SELECT 1 FROM pragma_index_list(list.name) WHERE origin = 'pk')
    FROM pragma_table_list AS list JOIN pragma_table_xinfo(list.name) AS info
    WHERE list.schema = 'main' AND lower(list.name) NOT GLOB 'sqlite_*'
        AND lower(list.name) NOT GLOB 'sqlatch_*'
    ORDER BY list.name, info.cid
"""
_SQL = """
    SELECT name, type, tbl_name, sql,
        type = 'index' AND name IN (
            SELECT unique_one.name FROM pragma_index_list(tbl_name) AS unique_one WHERE "unique"
        )
    FROM sqlite_schema
    WHERE sql IS NOT NULL AND lower(tbl_name) NOT GLOB 'sqlatch_*'
        AND lower(name) NOT GLOB 'sqlite_*'
    ORDER BY CASE type WHEN 'table' THEN 0 WHEN 'view' THEN 1 WHEN 'index' THEN 2 ELSE 3 END, rowid
"""
_PARENTS = """
    SELECT list.name, keys."table"
    FROM pragma_table_list AS list JOIN pragma_foreign_key_list(list.name) AS keys
    WHERE list.schema = 'main'
"""
_FOLD = str.maketrans(ascii_uppercase, ascii_lowercase)


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `key` is its place in the primary key, 0 if it is not of it."""

    name: str
    declared: str
    key: int
    is_generated: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table, or what looks like one: `kind` is table, view, virtual or shadow.

    `hidden` are the columns that a virtual table has besides those of its rows. `key_has_index` is
    true if an index holds the primary key, so that its column is no other name of the rowid.
    """

    name: str
    kind: str
    has_rowid: bool
    columns: tuple[Column, ...]
    hidden: tuple[str, ...]
    key_has_index: bool

    @property
    def stored(self) -> tuple[Column, ...]:
        """The columns that a row is given."""
        return tuple(column for column in self.columns if not column.is_generated)

    @property
    def rowid_column(self) -> str | None:
        """The column that is another name of the rowid, if one is: INTEGER PRIMARY KEY."""
        keyed = [column.name for column in self.columns if column.key]
        is_alias = self.kind == "table" and self.has_rowid and not self.key_has_index
        return keyed[0] if is_alias and len(keyed) == 1 else None


@dataclass(frozen=True, slots=True)
class Definition:
    """The SQL that made something; `table` is what it belongs to, itself if it is a table."""

    name: str
    kind: str
    table: str
    sql: str
    is_unique: bool


def tables(client: Client) -> list[Table]:
    """Tables and views, by name; none in a database that does not exist yet."""
    try:
        rows = client.query(_COLUMNS).rows
    except DatabaseNotFound:
        return []
    found: dict[str, Table] = {}
    for name, kind, without_rowid, column, declared, key, hidden, key_has_index in rows:
        before = found.get(str(name)) or Table(
            str(name), str(kind), not without_rowid, (), (), bool(key_has_index)
        )
        # 1 is a virtual table's own: it is no part of a row. 2 and 3 are generated.
        if hidden == 1:
            after = replace(before, hidden=(*before.hidden, str(column)))
        else:
            one = Column(str(column), str(declared), int(str(key)), bool(hidden))
            after = replace(before, columns=(*before.columns, one))
        found[str(name)] = after
    return list(found.values())


def definitions(client: Client) -> list[Definition]:
    """Return the SQL that made the database: tables first, then views, indexes and triggers."""
    try:
        rows = client.query(_SQL).rows
    except DatabaseNotFound:
        return []
    return [
        Definition(str(name), str(kind), str(table), str(sql), bool(is_unique))
        for name, kind, table, sql, is_unique in rows
    ]


def parents(client: Client) -> dict[str, list[str]]:
    """The tables that the foreign keys of each table refer to, all by their folded names."""
    found: dict[str, list[str]] = {}
    for child, parent in client.query(_PARENTS).rows:
        found.setdefault(folded(str(child)), []).append(folded(str(parent)))
    return found


def parents_first(parents: Mapping[str, list[str]], chosen: Iterable[Table]) -> list[Table]:
    """The tables, each behind those that its foreign keys refer to; in a circle any is first."""
    waiting = {folded(table.name): table for table in chosen}
    ordered: list[Table] = []
    entered: set[str] = set()
    # Depth first, without recursion: a chain of references may be long.
    path = list(reversed(waiting))
    while path:
        entered.add(path[-1])
        ahead = [one for one in parents.get(path[-1], ()) if one in waiting and one not in entered]
        if ahead:
            path.append(ahead[0])
        elif (table := waiting.pop(path.pop(), None)) is not None:
            ordered.append(table)
    return ordered


def table_named(client: Client, name: str) -> Table | None:
    """The table of a name, whose case does not count, as to SQLite."""
    return next((table for table in tables(client) if folded(table.name) == folded(name)), None)


def folded(name: str) -> str:
    """A name as SQLite compares it: the case of letters counts, except of A to Z."""
    return name.translate(_FOLD)


def quoted(name: str) -> str:
    """A name as SQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'
