"""`sqlatch shell`: a database at a prompt."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from prompt_toolkit import PromptSession
from prompt_toolkit.history import FileHistory
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import Output
from prompt_toolkit.shortcuts import CompleteStyle

from sqlatch.client import Client
from sqlatch.command import output, script
from sqlatch.command.address import DatabaseAddress, with_address
from sqlatch.command.completion import SqlCompleter
from sqlatch.command.exits import failure_of, shown
from sqlatch.command.output import Format, printable
from sqlatch.command.schema import definitions, tables
from sqlatch.errors import SqlatchError

HELP = """\
.tables         tables and views
.schema [NAME]  the SQL that made them
.mode FORMAT    table, json, jsonl or csv
.help           this
.quit           end, as Ctrl-D does
SQL ends with a semicolon. Each statement is a transaction of its own."""


@click.command()
@with_address
def shell(*, address: DatabaseAddress) -> None:
    """Ask and write at a prompt; without a terminal, run what is on standard input.

    There, the first statement that fails ends it.
    """
    with address.open(writes=True) as client:
        if not sys.stdin.isatty():
            session = Shell(client)
            for text in _pieces(sys.stdin.read()):
                session.run(text)
            return
        Shell(client).talk(prompting(client))


class Shell:
    """Carry out what is typed."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._form = Format.TABLE
        self.has_ended = False

    def talk(self, read: Callable[[], str]) -> None:
        """Read and do until the end; an error is told, and is not the end."""
        while not self.has_ended:
            try:
                for piece in _pieces(read()):
                    self.run(piece)
            except KeyboardInterrupt:
                continue
            except EOFError:
                return
            except SqlatchError as error:
                click.echo(failure_of(error, writes=True).format_message(), err=True)

    def run(self, text: str) -> None:
        """Do one command, or one statement."""
        if text.startswith("."):
            self._command(*text.rstrip("; \n").split())
        else:
            result = self._client.execute(text)
            with shown([result]):
                output.write(result, self._form, sys.stdout)
                sys.stdout.flush()

    def _command(self, name: str, *arguments: str) -> None:
        if name == ".quit":
            self.has_ended = True
        elif name == ".tables":
            found = [table.name for table in tables(self._client) if table.kind != "shadow"]
            click.echo(printable("\n".join(found) or "no tables"))
        elif name == ".schema":
            for one in definitions(self._client):
                if not arguments or one.table.lower() == arguments[0].lower():
                    click.echo(printable(f"{one.sql};"))
        elif name == ".mode" and arguments and arguments[0] in set(Format):
            self._form = Format(arguments[0])
        else:
            click.echo(HELP)


def prompting(
    client: Client, *, keyboard: Input | None = None, screen: Output | None = None
) -> Callable[[], str]:
    """Return the prompt for a text: with history, completion, and lines until it is complete."""
    session: PromptSession[str] = PromptSession(
        f"{printable(client.database)}> ",
        multiline=True,
        prompt_continuation="   ...> ",
        key_bindings=_keys(),
        completer=SqlCompleter(lambda: tables(client)),
        complete_while_typing=False,
        complete_style=CompleteStyle.READLINE_LIKE,
        history=FileHistory(str(_history())),
        input=keyboard,
        output=screen,
    )
    return session.prompt


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def _enter(event: KeyPressEvent) -> None:
        text = event.current_buffer.text.strip()
        if not text or text.startswith(".") or script.is_complete(text):
            event.current_buffer.validate_and_handle()
        else:
            event.current_buffer.insert_text("\n")

    return keys


def _pieces(text: str) -> Iterator[str]:
    """Commands, each on a line of its own, and statements."""
    lines = text.strip().splitlines()
    while lines and lines[0].lstrip().startswith("."):
        yield lines.pop(0).strip()
    before = ""
    for line in lines:
        if line.lstrip().startswith(".") and (not before.strip() or script.is_complete(before)):
            yield from script.statements(before)
            yield line.strip()
            before = ""
        else:
            before += f"{line}\n"
    yield from script.statements(before)


def _history() -> Path:
    """A file of one's own: it may hold values."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    directory = state / "sqlatch"
    directory.mkdir(parents=True, exist_ok=True)
    history = directory / "history"
    history.touch(mode=0o600)
    return history
