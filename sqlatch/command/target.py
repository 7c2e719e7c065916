"""The table that a file is loaded into: its columns by the file, their kinds by the table."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlatch.client import Client
from sqlatch.command.exits import Exit, Failure
from sqlatch.command.kinds import Kind, kind_of
from sqlatch.command.schema import Table, folded, quoted, tables
from sqlatch.command.source import BadLine, Source
from sqlatch.command.survey import guessed_kinds
from sqlatch.command.wanted import Present, Wanted
from sqlatch.kernel.hints import did_you_mean


@dataclass(frozen=True, slots=True)
class Target:
    """A table in each of several databases; `missing` are the numbers of those without it."""

    columns: list[str]
    kinds: list[Kind]
    missing: list[int]
    key: tuple[str, ...]
    """The columns of the file that tell its rows apart, where that matters."""
    create_sql: str
    insert_sql: str

    def create(self, clients: Sequence[Client]) -> None:
        """Make the table where it is missing."""
        for number in self.missing:
            clients[number].execute(self.create_sql)


def tables_named(wanted: Wanted, clients: Sequence[Client]) -> list[Table | None]:
    """The table in each of the databases; Failure if one has it not, and it is not to be made."""
    found: list[Table | None] = []
    for client in clients:
        known = {folded(table.name): table for table in tables(client)}
        found.append(known.get(folded(wanted.name)))
        if found[-1] is None and not wanted.create:
            hint = did_you_mean(wanted.name, [one.name for one in known.values()])
            raise Failure(
                f"there is no table {wanted.name!r}{hint}; --create makes it", Exit.REFUSED
            )
    return found


def target_of(source: Source, found: Sequence[Table | None], wanted: Wanted) -> Target:
    """The table as it is in each database, or as it would be made for the file."""
    missing = [number for number, table in enumerate(found) if table is None]
    there = [table for table in found if table is not None]
    columns = source.columns()
    if there and wanted.types:
        raise Failure(
            f"table {wanted.name!r} is there, and has types: --types is for one that --create"
            " makes",
            Exit.REFUSED,
        )
    types = {_of_the_file(name, columns): kind for name, kind in wanted.types.items()}
    guessed = guessed_kinds(source, columns) if not there else []
    # A table that is made where others have it takes what they take.
    kinds = [_kinds(table, columns, source.counted) for table in there] or [
        [types.get(name, kind) for name, kind in zip(columns, guessed, strict=True)]
    ]
    keys = [_key(wanted, table, columns) for table in there] or [_key(wanted, None, columns)]
    if any(one != kinds[0] for one in kinds) or any(one != keys[0] for one in keys):
        raise Failure(
            f"table {wanted.name!r} is not the same in each of the databases", Exit.REFUSED
        )
    return Target(
        columns,
        [Kind.ANY] * len(columns) if wanted.unchecked else kinds[0],
        missing,
        keys[0],
        _create(wanted.name, columns, kinds[0], keys[0]),
        _insert(wanted, columns, keys[0]),
    )


def _kinds(table: Table, columns: Sequence[str], counted: str) -> list[Kind]:
    """Return the table's kinds for the columns of the file; BadLine if the table lacks one."""
    declared = {column.name.lower(): column.declared for column in table.stored}
    for name in columns:
        if name.lower() not in declared:
            hint = did_you_mean(name, [column.name for column in table.stored])
            raise BadLine(1, f"table {table.name!r} has no column {name!r}{hint}", counted)
    return [kind_of(declared[name.lower()]) for name in columns]


def _key(wanted: Wanted, table: Table | None, columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that tell rows apart, if that is wanted: as --pk says, or the table."""
    own = (
        sorted((column.key, column.name) for column in table.columns if column.key) if table else []
    )
    names = wanted.key or tuple(name for _place, name in own)
    if wanted.present is Present.UPSERT:
        if not names:
            raise Failure(
                f"--upsert finds rows by a key, and table {wanted.name!r} has none: --pk COLUMN"
                " says which column it is",
                Exit.USAGE,
            )
        return tuple(_of_the_file(name, columns) for name in names)
    key = tuple(_of_the_file(name, columns) for name in wanted.key)
    if table and key and sorted(map(folded, key)) != sorted(folded(name) for _place, name in own):
        has = ", ".join(name for _place, name in own) or "none"
        raise Failure(
            f"table {wanted.name!r} is there, and its primary key is not as --pk says: {has}",
            Exit.REFUSED,
        )
    return key


def _of_the_file(name: str, columns: Sequence[str]) -> str:
    """Return a column's name as the file spells it."""
    for column in columns:
        if folded(column) == folded(name):
            return column
    raise Failure(f"the file has no column {name!r}{did_you_mean(name, columns)}", Exit.USAGE)


def _create(name: str, columns: Sequence[str], kinds: Sequence[Kind], key: Sequence[str]) -> str:
    declared = [
        f"{quoted(column)} {kind.value}".rstrip()
        + (" PRIMARY KEY" if [column] == list(key) else "")
        for column, kind in zip(columns, kinds, strict=True)
    ]
    if len(key) > 1:
        declared.append(f"PRIMARY KEY ({', '.join(map(quoted, key))})")
    return f"CREATE TABLE IF NOT EXISTS {quoted(name)} ({', '.join(declared)})"


def _insert(wanted: Wanted, columns: Sequence[str], key: Sequence[str]) -> str:
    names = ", ".join(map(quoted, columns))
    marks = ", ".join("?" * len(columns))
    verb = "INSERT OR REPLACE" if wanted.present is Present.REPLACE else "INSERT"
    sql = f"{verb} INTO {quoted(wanted.name)} ({names}) VALUES ({marks})"
    if wanted.present is Present.UPSERT:
        others = [quoted(column) for column in columns if column not in key]
        change = ", ".join(f"{column} = excluded.{column}" for column in others)
        does = f"UPDATE SET {change}" if others else "NOTHING"
        return f"{sql} ON CONFLICT ({', '.join(map(quoted, key))}) DO {does}"
    # Not OR IGNORE: that passes over a row without a value that must be there, too.
    return f"{sql} ON CONFLICT DO NOTHING" if wanted.present is Present.IGNORE else sql
