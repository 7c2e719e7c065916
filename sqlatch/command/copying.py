"""A database in another service, made the same as one: its schema, then row by row."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest

from sqlatch.client import Client
from sqlatch.command.ddl import (
    SETTINGS,
    check_contents,
    contents_of,
    defined,
    full_text,
    has_rows,
    has_statistics,
    sequences,
)
from sqlatch.command.fulltext import Content
from sqlatch.command.rows import Rows, literal, rows_of
from sqlatch.command.schema import (
    Definition,
    Table,
    definitions,
    folded,
    parents,
    parents_first,
    quoted,
    tables,
)  # fmt: skip
from sqlatch.command.writing import MARK, Fenced
from sqlatch.errors import DatabaseNotFound
from sqlatch.kernel.values import Row, Value

PASSES_MAX = 5
"""The first one copies. One that finds nothing to change is the check, and the last."""

Progress = Callable[[str, int], None]
"""Is told the name of a table, and how many rows of it are done."""


class Differs(Exception):
    """The target is not the same; says where."""


@dataclass(frozen=True, slots=True)
class Schema:
    """A database but for its rows; the tables that foreign keys refer to come first."""

    made: tuple[Definition, ...]
    tables: tuple[Table, ...]
    contents: Mapping[str, Content]
    has_parents: bool
    settings: tuple[Value, ...]
    sequences: tuple[str, ...]

    def texts(self, *kinds: str) -> set[tuple[str, str]]:
        """The name and the SQL of what is of these kinds."""
        return {(one.name, one.sql) for one in self.made if one.kind in kinds}

    @property
    def is_empty(self) -> bool:
        return not self.tables

    @property
    def with_rows(self) -> list[Table]:
        return [table for table in self.tables if has_rows(table, self.contents)]


NO_SCHEMA = Schema((), (), {}, has_parents=False, settings=(0, 0), sequences=())


@dataclass(slots=True)
class Pass:
    """The counts of going through all tables once: their rows, and how many were changed."""

    rows: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows of the source, and what makes the target the same there.

    `surplus` are keys that only the target has, `missing` rows behind their keys. The empty key is
    that of every row of a table that has none.
    """

    rows: int
    surplus: list[Row]
    missing: Iterable[Row]
    changed: int


def schema_of(client: Client) -> Schema:
    """Return the schema of a database, that of an empty one if there is none.

    Failure if no SQL makes it again.
    """
    try:
        referred = parents(client)
    except DatabaseNotFound:
        return NO_SCHEMA
    found = [
        table
        for table in tables(client)
        if table.kind != "shadow" and table.name != MARK
    ]  # fmt: skip
    names = {folded(table.name) for table in found}
    made = tuple(one for one in definitions(client) if folded(one.table) in names)
    contents = contents_of(made, found)
    check_contents(found, contents, "drop it, copy, and fill it anew on both sides")
    return Schema(
        made,
        tuple(parents_first(referred, found)),
        contents,
        bool(referred),
        tuple(client.query(f"PRAGMA {name}").value() for name in SETTINGS),
        tuple(sequences(client, found)),
    )


def compare(schema: Schema, source: Client, target: Client, progress: Progress) -> Pass:
    """Compare all rows; Differs if one is another, or missing, or there besides."""
    done = Pass()
    for table in schema.with_rows:
        rows = rows_of(table)
        done.rows[table.name] = 0
        for block in blocks(rows, source, target):
            if block.changed:
                raise Differs(f"table {table.name!r}: {block.changed} rows are not the same")
            done.rows[table.name] += block.rows
            progress(table.name, done.rows[table.name])
    return done


def prepare(schema: Schema, there: Schema, fenced: Fenced) -> None:
    """Give the target the tables and indexes of the source; what else there is, it loses.

    Triggers come last of all: they must not see rows come in.
    """
    kinds = ("trigger", "view", "index", "table")
    wanted = schema.texts("view", "index", "table")
    stale = [one for one in there.made if (one.name, one.sql) not in wanted]
    gone = {folded(one.name) for one in stale}
    fenced.run([
        f"DROP {one.kind} IF EXISTS {quoted(one.name)}"
        for kind in kinds
        for one in stale
        if one.kind == kind
    ])  # fmt: skip
    kept = {
        (one.name, one.sql)
        for one in there.made
        if folded(one.name) not in gone and folded(one.table) not in gone
    }
    missing = [one for one in schema.made if (one.name, one.sql) not in kept]
    for kind in ("table", "index"):
        fenced.run(list(defined(missing, schema.tables, [kind])))


def go_through(
    schema: Schema, source: Client, target: Client, fenced: Fenced, progress: Progress
) -> Pass:
    """Make the rows of the target those of the source, and count what was changed for it."""
    done = Pass()
    for table in schema.with_rows:
        rows = rows_of(table)
        done.rows[table.name] = done.changed[table.name] = 0
        for block in blocks(rows, source, target):
            _delete(rows, block.surplus, fenced)
            _put(rows, block.missing, fenced)
            done.rows[table.name] += block.rows
            done.changed[table.name] += block.changed
            progress(table.name, done.rows[table.name])
    return done


def finish(schema: Schema, there: Schema, source: Client, fenced: Fenced) -> None:
    """Make what hangs on the rows. The last transaction takes off the mark of an unfinished copy.

    Until then the target has no triggers, and not the `user_version` of the source.
    """
    views = [one for one in schema.made if (one.name, one.sql) not in there.texts("view")]
    fenced.run(list(defined(views, schema.tables, ["view"])))
    for table in schema.tables:
        for sql in full_text(source, table, schema.contents.get(folded(table.name))):
            fenced.run([sql])
    if has_statistics(source):
        fenced.run(["ANALYZE"])
    fenced.run(list(defined(schema.made, schema.tables, ["trigger"])))
    fenced.run(schema.sequences)
    fenced.finish([
        f"PRAGMA {name} = {literal(value)}"
        for name, value in zip(SETTINGS, schema.settings, strict=True)
    ])  # fmt: skip


def blocks(rows: Rows, source: Client, target: Client) -> Iterator[Block]:
    """Compare a table of two databases, range by range of its key."""
    if not rows.keys:
        yield _all_or_nothing(rows, source, target)
        return
    after: Row = ()
    for page in rows.pages(source):
        last = page[-1][: len(rows.keys)]
        yield from _between(rows, target, page, after, last)
        after = last
    yield from _between(rows, target, [], after, ())


def _between(rows: Rows, target: Client, page: list[Row], after: Row, last: Row) -> Iterator[Block]:
    """Compare rows of the source with those that the target has in their range."""
    width = len(rows.keys)
    missing = {row[:width]: row for row in page}
    for there in rows.pages(target, after=after, last=last):
        surplus = []
        for row in there:
            expected = missing.get(row[:width])
            if expected is None:
                surplus.append(row[:width])
            elif repr(expected) == repr(row):  # 1 is not 1.0 here, nor 0.0 -0.0
                del missing[row[:width]]
        if surplus:
            yield Block(0, surplus, [], len(surplus))
    yield Block(len(page), [], missing.values(), len(missing))


def _all_or_nothing(rows: Rows, source: Client, target: Client) -> Block:
    """Compare a table whose rows no name tells apart: only their order does."""
    count, same = 0, True
    for ours, theirs in zip_longest(rows.read(source), rows.read(target)):
        count += ours is not None
        same = same and repr(ours) == repr(theirs)
    if same:
        return Block(count, [], [], 0)
    return Block(count, [()], rows.read(source), max(count, 1))


def _delete(rows: Rows, surplus: list[Row], fenced: Fenced) -> None:
    where = " AND ".join(f"{key} = ?" for key in rows.keys) or "TRUE"
    fenced.load(f"DELETE FROM {rows.table} WHERE {where}", surplus)  # noqa: S608 (quoted)


def _put(rows: Rows, missing: Iterable[Row], fenced: Fenced) -> None:
    marks = ", ".join("?" * len(rows.columns))
    sql = f"INSERT OR REPLACE INTO {rows.table} ({', '.join(rows.columns)}) VALUES ({marks})"  # noqa: S608
    infinite: list[Row] = []

    def finite() -> Iterator[Row]:
        for row in missing:
            values = row[len(rows.keys) :]
            if math.inf in values or -math.inf in values:
                infinite.append(values)
            else:
                yield values

    fenced.load(sql, finite())
    # As SQL: they have no form in the protocol of a pipeline.
    fenced.run(list(rows.inserts(infinite, "INSERT OR REPLACE")))


def check_same(schema: Schema, there: Schema) -> None:
    """Differs if two schemas are not the same."""
    kinds = ("table", "index", "view", "trigger")
    for name, _sql in sorted(schema.texts(*kinds) ^ there.texts(*kinds)):
        raise Differs(f"{name!r} is not defined there as here, or only on one side")
    if schema.settings != there.settings:
        raise Differs(f"{' and '.join(SETTINGS)} are {there.settings}, not {schema.settings}")
    if schema.sequences != there.sequences:
        raise Differs("the last ids of AUTOINCREMENT are not the same")
