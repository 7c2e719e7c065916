"""The options of a command that say what table a file is loaded into, and how."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import wraps
from typing import Any

import click

from sqlatch.command.kinds import Kind

_TYPES = {kind.value: kind for kind in Kind if kind.value}


class Present(StrEnum):
    """The ways to load a row whose key is in the table. Without one the load is refused."""

    REFUSED = ""
    UPSERT = "--upsert"
    IGNORE = "--ignore"
    REPLACE = "--replace"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A table as it is wanted. `name` is empty where the file gives it, `key` and `types` where
    the table or its rows do."""

    name: str
    create: bool
    unchecked: bool
    key: tuple[str, ...]
    types: Mapping[str, Kind]
    present: Present


def with_wanted(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a table, as `wanted`."""

    @wraps(command)
    def wanting(
        *,
        table: str | None,
        create: bool,
        unchecked: bool,
        pk: tuple[str, ...],
        types: tuple[str, ...],
        upsert: bool,
        ignore: bool,
        replace: bool,
        **options: Any,
    ) -> Any:
        chosen = [
            one
            for one, is_given in zip(
                (Present.UPSERT, Present.IGNORE, Present.REPLACE),
                (upsert, ignore, replace),
                strict=True,
            )
            if is_given
        ]
        if len(chosen) > 1:
            raise click.UsageError(f"give one of {' and '.join(chosen)}")
        present = chosen[0] if chosen else Present.REFUSED
        wanted = Wanted(table or "", create, unchecked, pk, _kinds(types), present)
        return command(wanted=wanted, **options)

    for option in reversed(_OPTIONS):
        wanting = option(wanting)
    return wanting


def _kinds(types: tuple[str, ...]) -> dict[str, Kind]:
    kinds = {}
    for one in ",".join(types).split(",") if types else ():
        column, _, name = one.rpartition("=")
        if not column or name.strip().upper() not in _TYPES:
            raise click.BadParameter(
                f"{one!r} is not COLUMN=TYPE, with a type of {', '.join(_TYPES)}",
                param_hint="--types",
            )
        kinds[column.strip()] = _TYPES[name.strip().upper()]
    return kinds


_OPTIONS = (
    click.option(
        "--table", metavar="NAME", help="The file's name without its suffix, if not given."
    ),
    click.option("--create", is_flag=True, help="Make the table where it is missing."),
    click.option(
        "--pk", multiple=True, metavar="COLUMN",
        help="The primary key of the table that is made, and of --upsert; repeatable.",
    ),
    click.option(
        "--types", multiple=True, metavar="COLUMN=TYPE,...",
        help="Types for the table that is made; those of other columns are seen in their values.",
    ),
    click.option("--upsert", is_flag=True, help="Update the row whose key is in the table."),
    click.option("--ignore", is_flag=True, help="Pass over a row whose key is in the table."),
    click.option("--replace", is_flag=True, help="Replace the row whose key is in the table."),
    click.option(
        "--unchecked", is_flag=True, help="Send values whatever type their column has."
    ),
)  # fmt: skip
