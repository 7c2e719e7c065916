"""The table that a file is loaded into: its columns by the file, their kinds by the table."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlatch.client import Client
from sqlatch.command.exits import Exit, Failure
from sqlatch.command.kinds import Kind, kind_of
from sqlatch.command.schema import Table, quoted, table_named
from sqlatch.command.source import BadLine, Source
from sqlatch.command.survey import guessed_kinds


@dataclass(frozen=True, slots=True)
class Target:
    """A table in each of several databases; `missing` are the numbers of those without it."""

    name: str
    columns: list[str]
    kinds: list[Kind]
    missing: list[int]
    sql: str

    def create(self, clients: Sequence[Client]) -> None:
        """Make the table where it is missing."""
        for number in self.missing:
            clients[number].execute(self.sql)


def target_of(
    source: Source, clients: Sequence[Client], name: str, *, create: bool, unchecked: bool
) -> Target:
    """The table as it is, or as it would be made for the file; Failure if it is neither."""
    found = [table_named(client, name) for client in clients]
    missing = [number for number, table in enumerate(found) if table is None]
    if missing and not create:
        raise Failure(f"there is no table {name!r}; --create makes it", Exit.REFUSED)
    columns = source.columns()
    tables = [table for table in found if table is not None]
    guessed = guessed_kinds(source, columns) if missing else []
    kinds = [_kinds(table, columns) for table in tables] or [guessed]
    if any(one != kinds[0] for one in kinds):
        raise Failure(f"table {name!r} is not the same in each of the databases", Exit.REFUSED)
    # A table that is made where others have it takes what they take.
    made = kinds[0] if tables else guessed
    declared = ", ".join(
        f"{quoted(column)} {kind.value}".rstrip()
        for column, kind in zip(columns, made, strict=True)
    )
    return Target(
        name,
        columns,
        [Kind.ANY] * len(columns) if unchecked else kinds[0],
        missing,
        f"CREATE TABLE IF NOT EXISTS {quoted(name)} ({declared})",
    )


def _kinds(table: Table, columns: Sequence[str]) -> list[Kind]:
    """Return the table's kinds for the columns of the file; BadLine if the table lacks one."""
    declared = {column.name.lower(): column.declared for column in table.stored}
    unknown = [name for name in columns if name.lower() not in declared]
    if unknown:
        raise BadLine(1, f"table {table.name!r} has no column {unknown[0]!r}")
    return [kind_of(declared[name.lower()]) for name in columns]
