"""The form of a file of rows, by what is said, by its name, or by its first bytes; its source."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Any

import click

from sqlatch.command.packed import HEAD_BYTES, opened, unpacked_name
from sqlatch.command.parquet import Parquet
from sqlatch.command.source import BOM, Csv, JsonLines, Source, seen_delimiter


class Form(StrEnum):
    """The forms of files that can be loaded."""

    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"
    PARQUET = "parquet"


_BY_SUFFIX = {
    ".csv": Form.CSV,
    ".tsv": Form.TSV,
    ".tab": Form.TSV,
    ".jsonl": Form.JSONL,
    ".ndjson": Form.JSONL,
    ".parquet": Form.PARQUET,
}
_PARQUET_BEGINS = b"PAR1"
_DELIMITERS_NAMED = {"tab": "\t", "\\t": "\t"}


@dataclass(frozen=True, slots=True)
class Described:
    """A file as the command line describes it; None for what it leaves open."""

    form: Form | None
    delimiter: str | None
    encoding: str
    null: str

    def __post_init__(self) -> None:
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise click.UsageError("the delimiter must be one character, or `tab`")
        try:
            keeps_lines = "a\n".encode(self.encoding) == b"a\n"
        except LookupError as error:
            raise click.UsageError(str(error)) from error
        if not keeps_lines:
            raise click.UsageError(
                f"{self.encoding} is not an encoding whose lines end as in ASCII, as utf-8 and"
                " latin-1 do"
            )

    def form_of(self, path: Path) -> Form:
        """Return the form of a file, as it is said or by its name."""
        form = self.form or _BY_SUFFIX.get(unpacked_name(path).suffix.lower())
        if form is None:
            raise click.UsageError(
                f"the name of {path} does not end in {', '.join(_BY_SUFFIX)}: give --format"
            )
        return form

    def source(self, path: Path) -> Source:
        """The file as rows."""
        form = self.form_of(path)
        if form is Form.PARQUET:
            return Parquet(path, self.null)
        if form is Form.JSONL:
            return JsonLines(path, self.encoding)
        by_form = "\t" if form is Form.TSV else None
        delimiter = self.delimiter or by_form or seen_delimiter(path, self.encoding)
        return Csv(path, delimiter, self.encoding, self.null)


def begins_as(path: Path) -> Form:
    """Return the form of a file whose name does not tell, by its first bytes."""
    with opened(path) as (_file, content):
        head = content.read(HEAD_BYTES)
    if head.startswith(_PARQUET_BEGINS):
        return Form.PARQUET
    return Form.JSONL if head.removeprefix(BOM).lstrip().startswith(b"{") else Form.CSV


def with_described(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a file, as `described`."""

    @wraps(command)
    def describing(
        *, form: str | None, delimiter: str | None, encoding: str, null: str, **options: Any
    ) -> Any:
        described = Described(
            None if form is None else Form(form),
            # A tab is easier to name than to type.
            None if delimiter is None else _DELIMITERS_NAMED.get(delimiter, delimiter),
            encoding,
            null,
        )
        return command(described=described, **options)

    for option in reversed(_OPTIONS):
        describing = option(describing)
    return describing


_OPTIONS = (
    click.option(
        "--format", "form", type=click.Choice([form.value for form in Form]),
        help="Else by the suffix.",
    ),
    click.option(
        "--delimiter", help="Between the cells of a CSV, or `tab`; else seen in its first rows."
    ),
    click.option("--encoding", default="utf-8", show_default=True),
    click.option(
        "--null", default="",
        help="The cell of a CSV that is NULL, else an empty one; `nan` for Parquet.",
    ),
)  # fmt: skip
