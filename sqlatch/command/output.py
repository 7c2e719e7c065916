"""Results as a terminal, a program or a spreadsheet wants them."""

import csv
import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, TextIO

from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from sqlatch.kernel.values import Value, names_apart, value_out
from sqlatch.result import Result

WIDTH_ELSEWHERE = 1_000_000
"""Of a table that no terminal shows: nothing is cut or folded."""

BLOB_BYTES_SHOWN_MAX = 16


class Format(StrEnum):
    """The forms in which results are written."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


def write(result: Result, form: Format, stream: TextIO) -> None:
    """Write a result; a table and JSON also say what a write did."""
    if form is Format.TABLE:
        write_table(result, stream)
    elif form is Format.JSON:
        stream.write(f"{_json(_reply(result))}\n")
    elif form is Format.JSONL:
        _write_lines(result, stream)
    else:
        _write_csv(result, stream)


def write_table(result: Result, stream: TextIO) -> None:
    """The rows as a table, numbers to the right; what was changed where there are none."""
    if not result.columns:
        plural = "" if result.rows_affected == 1 else "s"
        stream.write(f"{result.rows_affected} row{plural} affected\n")
        return
    console = console_on(stream)
    table = Table(highlight=False)
    for number, name in enumerate(result.columns):
        numbers = all(isinstance(row[number], int | float | None) for row in result.rows)
        justify: JustifyMethod = "right" if numbers and result.rows else "left"
        table.add_column(Text(printable(name)), justify=justify, overflow="fold")
    for row in result.rows:
        table.add_row(*map(_cell, row))
    # Written here, since rich ends the program where nobody reads.
    with console.capture() as drawn:
        console.print(table)
    stream.write(drawn.get())
    if result.truncated:
        stream.write(f"the first {len(result.rows)} rows; there are more\n")


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
