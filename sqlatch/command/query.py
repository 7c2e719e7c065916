"""`sqlatch query`: SQL in, rows out."""

import json
import sys
import time
from collections.abc import Sequence
from typing import Any, TextIO
from uuid import uuid4

import click

from sqlatch.client import Client
from sqlatch.command import output, script
from sqlatch.command.address import DatabaseAddress, with_address
from sqlatch.command.exits import Exit, Failure, failure_of, offset_of, shown
from sqlatch.command.history import AT
from sqlatch.command.output import Format
from sqlatch.errors import Constraint, SqlatchError, StatementError
from sqlatch.kernel.values import Parameters, special_in
from sqlatch.result import Result
from sqlatch.statement import Statement


@click.command()
@with_address
@click.option(
    "-o", "--output", "form", type=click.Choice([form.value for form in Format]),
    default=Format.TABLE.value, show_default=True, help="How rows are written.",
)  # fmt: skip
@click.option("-p", "--parameters", metavar="JSON", help="A list for ?, an object for :name.")
@click.option("-r", "--read-only", is_flag=True, help="Refuse everything that would write.")
@click.option(
    "-f",
    "--file",
    type=click.File("r", encoding="utf-8"),
    help="Read the SQL from a file; an error names its line.",
)
@click.option(
    "--idempotency-key", metavar="KEY", help="Apply the same write once, however often it is sent."
)
@AT
@click.argument("sql", required=False)
def query(
    *,
    address: DatabaseAddress,
    form: str,
    parameters: str | None,
    read_only: bool,
    file: TextIO | None,
    idempotency_key: str | None,
    at: str | None,
    sql: str | None,
) -> None:
    """Run SQL and write what it gives; `-` reads it from standard input.

    Several statements are one transaction: all of them or none.
    """
    if (sql is None) == (file is None):
        raise click.UsageError("give SQL, or a file of it with -f")
    if (read_only or at is not None) and idempotency_key is not None:
        raise click.UsageError("--idempotency-key is for what writes")
    texts = list(script.located(_script(sql, file)))
    if not texts:
        raise click.UsageError("there is no statement")
    values = None if parameters is None else values_of(parameters)
    if values is not None and len(texts) > 1:
        raise click.UsageError("parameters are for one statement, and there are several")
    name = "" if file is None else file.name
    began = time.monotonic()
    only_reads = read_only or at is not None
    with address.open(writes=not only_reads) as client:
        if only_reads:
            results = _read(client, texts, values, name, at)
        else:
            results = _write(client, texts, values, name, idempotency_key or str(uuid4()))
    took_s = time.monotonic() - began
    with shown(results):
        for result in results:
            output.write(result, Format(form), sys.stdout)
        sys.stdout.flush()
    if sys.stdout.isatty() and form in (Format.TABLE, Format.LIST):
        click.echo(output.summary(results[-1], took_s), err=True)


def _read(
    client: Client,
    texts: Sequence[script.Statement],
    values: Parameters | None,
    name: str,
    at: str | None,
) -> list[Result]:
    try:
        if len(texts) > 1:
            return client.batch([Statement(one.sql) for one in texts], read_only=True, at=at)
        return [client.query(texts[0].sql, values, at=at)]
    except SqlatchError as error:
        raise failure_of(error, writes=False, where=_place(error, texts, name)) from error


def _write(
    client: Client,
    texts: Sequence[script.Statement],
    values: Parameters | None,
    name: str,
    key: str,
) -> list[Result]:
    """Run what may write. Where its answer does not come, say how to ask again."""
    try:
        if len(texts) > 1:
            return client.batch([Statement(one.sql) for one in texts], idempotency_key=key)
        return [client.execute(texts[0].sql, values, idempotency_key=key)]
    except KeyboardInterrupt:
        raise Failure(
            "interrupted: no answer came. If the SQL writes, it may have been applied:"
            f" {_again(key)}",
            Exit.INTERRUPTED,
        ) from None
    except SqlatchError as error:
        raise failure_of(
            error,
            writes=True,
            where=_place(error, texts, name),
            then=f"; it may have been applied: {_again(key)}",
        ) from error


def _again(key: str) -> str:
    return f"look at the rows, or run it again with --idempotency-key {key}, which applies it once"


def _place(error: SqlatchError, texts: Sequence[script.Statement], name: str) -> str:
    """Return the place of what a statement is refused for, in a file or in several statements."""
    number = error.facts.get("statement", 0)
    if not isinstance(number, int) or not isinstance(error, StatementError | Constraint):
        return ""
    places = [name] if name else []
    if len(texts) > 1:
        places.append(f"statement {number + 1} of {len(texts)}")
    return texts[number].shown_at(offset_of(error), places) if places else ""


def _script(sql: str | None, file: TextIO | None) -> str:
    """The argument, or what a file or standard input holds."""
    if sql == "-":
        file = sys.stdin
    text = sql or "" if file is None else file.read(script.SCRIPT_CHARACTERS_MAX + 1)
    if len(text) > script.SCRIPT_CHARACTERS_MAX:
        raise click.UsageError(
            f"the SQL has more than {script.SCRIPT_CHARACTERS_MAX:,} characters: run it in parts,"
            " or load rows with `sqlatch load`"
        )
    if "\0" in text:
        raise click.UsageError("SQL cannot hold a NUL character")
    return text


def values_of(text: str) -> Parameters:
    """Parameters as JSON says them, blobs and infinite reals as the service does."""
    try:
        given = json.loads(text)
        if isinstance(given, dict):
            return {name: _value(value) for name, value in given.items()}
        if isinstance(given, list):
            return [_value(value) for value in given]
    except ValueError as error:
        raise click.BadParameter(f"not JSON: {error}", param_hint="--parameters") from error
    raise click.BadParameter("neither a list nor an object", param_hint="--parameters")


def _value(value: Any) -> Any:
    if isinstance(value, dict) and len(value) == 1:
        return special_in(value, "a parameter")
    return value
