"""The SQL that makes a schema: tables and all that hangs on them, but for the rows."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence

from sqlatch.client import Client
from sqlatch.command.exits import Exit, Failure
from sqlatch.command.fulltext import Content, configuration, content_of, is_full_text
from sqlatch.command.rows import literal
from sqlatch.command.schema import Definition, Table, folded, quoted

SETTINGS = ("user_version", "application_id")
"""The numbers that a database keeps beside its schema."""

_HAS = "SELECT 1 FROM sqlite_schema WHERE name = ?"
_ENDS = (";", "\n;", "*/;", "\n*/;")


def contents_of(made: Iterable[Definition], chosen: Sequence[Table]) -> dict[str, Content]:
    """Return where each full-text index keeps its texts, by its folded name."""
    indexes = {table.name for table in chosen if is_full_text(table)}
    return {folded(one.name): content_of(one) for one in made if one.name in indexes}


def check_contents(
    chosen: Sequence[Table], contents: Mapping[str, Content], next_step: str
) -> None:
    """Failure if there is a full-text index whose texts are nowhere; `next_step` has a {name}."""
    for table in chosen:
        if contents.get(folded(table.name)) is Content.NONE:
            raise Failure(
                f"the full-text index {table.name!r} keeps no texts, so no SQL makes it again:"
                f" {next_step.format(name=table.name)}",
                Exit.REFUSED,
            )


def has_rows(table: Table, contents: Mapping[str, Content]) -> bool:
    """Return whether a table has rows of its own, and not those of another."""
    content = contents.get(folded(table.name), Content.OWN)
    return table.kind in ("table", "virtual") and content is Content.OWN


def defined(
    made: Iterable[Definition], chosen: Sequence[Table], kinds: Sequence[str]
) -> Iterator[str]:
    """Yield the SQL of what is of these kinds and hangs on these tables, each with its end."""
    # The table that a trigger belongs to stands there as its maker wrote it.
    names = {folded(table.name) for table in chosen if table.kind != "shadow"}
    for one in made:
        if one.kind in kinds and folded(one.table) in names:
            # A comment at the end would swallow the semicolon.
            end = next(end for end in _ENDS if sqlite3.complete_statement(one.sql + end))
            yield f"{one.sql}{end}\n"


def full_text(client: Client, table: Table, content: Content | None) -> Iterator[str]:
    """Yield the settings of a full-text index, and what rebuilds it over texts kept elsewhere."""
    if content is None:
        return
    name = quoted(table.name)
    for key, value in configuration(client, table):
        yield f"INSERT INTO {name} ({name}, rank) VALUES ({literal(key)}, {literal(value)});\n"  # noqa: S608 (quoted)
    if content is Content.OTHER:
        yield f"INSERT INTO {name} ({name}) VALUES ('rebuild');\n"  # noqa: S608 (quoted)


def sequences(client: Client, chosen: Sequence[Table]) -> Iterator[str]:
    """Yield the state of AUTOINCREMENT, so that an id that was used is not used again."""
    if not _has(client, "sqlite_sequence"):
        return
    names = {table.name for table in chosen}
    for name, last in client.query("SELECT name, seq FROM sqlite_sequence ORDER BY name").rows:
        if name in names:
            # SQLite made its row when the rows of the table came in, but for an empty table.
            of, values = literal(name), f"{literal(name)}, {literal(last)}"
            yield f"DELETE FROM sqlite_sequence WHERE name = {of};\n"  # noqa: S608
            yield f"INSERT INTO sqlite_sequence VALUES ({values});\n"  # noqa: S608


def has_statistics(client: Client) -> bool:
    """Return whether the database has what ANALYZE makes."""
    return _has(client, "sqlite_stat1")


def _has(client: Client, name: str) -> bool:
    return bool(client.query(_HAS, [name]).rows)
