"""Results as a terminal, a program or a spreadsheet wants them."""

import csv
import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, TextIO

import click
from rich.console import Console, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from sqlatch.kernel.values import Value, names_apart, value_out
from sqlatch.result import Result

WIDTH_ELSEWHERE = 1_000_000
"""Of a table that no terminal shows: nothing is cut or folded."""

BLOB_BYTES_SHOWN_MAX = 16

PLAN_COLUMNS = ("id", "parent", "notused", "detail")
"""The columns of EXPLAIN QUERY PLAN."""


class Format(StrEnum):
    """The forms in which results are written."""

    TABLE = "table"
    LIST = "list"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


def write(result: Result, form: Format, stream: TextIO) -> None:
    """Write a result; for people and as JSON it also says what a write did."""
    if form in (Format.TABLE, Format.LIST):
        _show(drawn(result, form, stream), stream)
    elif form is Format.JSON:
        stream.write(f"{_json(_reply(result))}\n")
    elif form is Format.JSONL:
        _write_lines(result, stream)
    else:
        _write_csv(result, stream)


def drawn(result: Result, form: Format, stream: TextIO) -> str:
    """Return a result for people: what was changed, a plan as a tree, or rows.

    Rows that are wider than the terminal as a table are a list, a column on each line.
    """
    if not result.columns:
        return f"{_counted(result.rows_affected)} affected\n"
    console = console_on(stream)
    table = _table(result)
    if result.columns == PLAN_COLUMNS:
        parts: list[RenderableType] = [_tree(result)]
    elif form is Format.LIST or _width(table, console) > console.width:
        parts = _list(result)
    else:
        parts = [table]
    # Written by the caller, since rich ends the program where nobody reads.
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    more = f"the first {len(result.rows)} rows; there are more\n" if result.truncated else ""
    return captured.get() + more


def summary(result: Result, took_s: float) -> str:
    """Return how many rows came, and how long they took: all of a call, with its way."""
    took = f"{1000 * took_s:.0f} ms" if took_s < 1 else f"{took_s:.1f} s"
    has_rows = result.columns and result.columns != PLAN_COLUMNS
    return f"{_counted(len(result.rows))}, {took}" if has_rows else took


def _show(text: str, stream: TextIO) -> None:
    """Write a text; through $PAGER where it is longer than the terminal."""
    if stream.isatty() and text.count("\n") >= console_on(stream).height:
        click.echo_via_pager(text.rstrip("\n"))
    else:
        stream.write(text)


def _counted(rows: int) -> str:
    return f"{rows} row{'' if rows == 1 else 's'}"


def _table(result: Result) -> Table:
    """The rows as a table, numbers to the right."""
    table = Table(highlight=False)
    for number, name in enumerate(result.columns):
        numbers = all(isinstance(row[number], int | float | None) for row in result.rows)
        justify: JustifyMethod = "right" if numbers and result.rows else "left"
        table.add_column(Text(printable(name)), justify=justify, overflow="fold")
    for row in result.rows:
        table.add_row(*map(_cell, row))
    return table


def _width(table: Table, console: Console) -> int:
    options = console.options.update(max_width=WIDTH_ELSEWHERE)
    return console.measure(table, options=options).maximum


def _list(result: Result) -> list[RenderableType]:
    """The rows one below the other, a column on each line."""
    names = [Text(printable(name), style="bold") for name in result.columns]
    name_width = max(name.cell_len for name in names)
    parts: list[RenderableType] = [] if result.rows else [Text("no rows")]
    for number, row in enumerate(result.rows, 1):
        grid = Table.grid(padding=(0, 2))
        grid.add_column(width=name_width, overflow="fold")
        grid.add_column(overflow="fold")
        for name, value in zip(names, row, strict=True):
            grid.add_row(name, _cell(value))
        parts += [Text(f"row {number}", style="dim"), grid]
    return parts


def _tree(result: Result) -> Tree:
    """The plan of EXPLAIN QUERY PLAN: each step below the one that it is a part of."""
    root = Tree(Text("query plan", style="dim"))
    steps: dict[Value, Tree] = {}
    for step, parent, _unused, detail in result.rows:
        steps[step] = steps.get(parent, root).add(Text(printable(str(detail))))
    return root


def console_on(stream: TextIO) -> Console:
    """A console on a stream, as wide as it takes where the stream is no terminal."""
    width = None if stream.isatty() else WIDTH_ELSEWHERE
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def printable(text: str) -> str:
    """A text that leaves the terminal alone: what controls it is written as in Python."""
    return "".join(
        character if character.isprintable() or character == "\n" else ascii(character)[1:-1]
        for character in text
    )


def _cell(value: Value) -> Text:
    if value is None:
        return Text("NULL", style="dim")
    if isinstance(value, bytes):
        shown = value[:BLOB_BYTES_SHOWN_MAX].hex()
        more = "..." if len(value) > BLOB_BYTES_SHOWN_MAX else ""
        return Text(f"x'{shown}{more}' ({len(value)} bytes)", style="dim")
    return Text(printable(str(value)))


def _reply(result: Result) -> dict[str, Any]:
    """As the service says it, so that what reads the one reads the other."""
    reply = {
        "columns": result.columns,
        "rows": [_values(row) for row in result.rows],
        "rows_affected": result.rows_affected,
        "last_insert_rowid": result.last_insert_rowid,
    }
    return reply | {"truncated": True} if result.truncated else reply


def _write_lines(result: Result, stream: TextIO) -> None:
    names = names_apart(result.columns)
    for row in result.rows:
        stream.write(f"{_json(dict(zip(names, _values(row), strict=True)))}\n")


class _Lines:
    """A stream for csv, whose writer quotes a carriage return only where lines end with one."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, line: str) -> None:
        self._stream.write(line.removesuffix("\r\n") + "\n")


def _write_csv(result: Result, stream: TextIO) -> None:
    if not result.columns:
        return
    writer = csv.writer(_Lines(stream), lineterminator="\r\n")
    writer.writerow(result.columns)
    for row in result.rows:
        # NULL is nothing between the commas; a blob is its base64.
        writer.writerow(
            [value_out(value)["base64"] if isinstance(value, bytes) else value for value in row]
        )


def _values(row: Sequence[Value]) -> list[Any]:
    return [value_out(value) for value in row]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
