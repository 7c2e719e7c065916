"""`sqlatch query`: SQL in, rows out."""

import json
import sys
from typing import Any

import click

from sqlatch.command import output, script
from sqlatch.command.address import DatabaseAddress, with_address
from sqlatch.command.exits import shown
from sqlatch.command.output import Format
from sqlatch.kernel.values import Parameters, special_in
from sqlatch.statement import Statement


@click.command()
@with_address
@click.option(
    "-o", "--output", "form", type=click.Choice([form.value for form in Format]),
    default=Format.TABLE.value, show_default=True, help="How rows are written.",
)  # fmt: skip
@click.option("-p", "--parameters", metavar="JSON", help="A list for ?, an object for :name.")
@click.option("-r", "--read-only", is_flag=True, help="Refuse everything that would write.")
@click.argument("sql")
def query(
    *, address: DatabaseAddress, form: str, parameters: str | None, read_only: bool, sql: str
) -> None:
    """Run SQL and write what it gives; `-` reads it from standard input.

    Several statements are one transaction: all of them or none.
    """
    texts = list(script.statements(_script(sql)))
    if not texts:
        raise click.UsageError("there is no statement")
    values = None if parameters is None else values_of(parameters)
    if values is not None and len(texts) > 1:
        raise click.UsageError("parameters are for one statement, and there are several")
    with address.open(writes=not read_only) as client:
        if len(texts) > 1:
            results = client.batch(map(Statement, texts), read_only=read_only)
        else:
            ask = client.query if read_only else client.execute
            results = [ask(texts[0], values)]
    with shown(results):
        for result in results:
            output.write(result, Format(form), sys.stdout)
        sys.stdout.flush()


def _script(sql: str) -> str:
    """The argument, or what standard input holds."""
    text = sys.stdin.read(script.SCRIPT_CHARACTERS_MAX + 1) if sql == "-" else sql
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
