"""`sqlatch shell`: a database at a prompt."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

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
from sqlatch.command.completion import COMMANDS, SqlCompleter
from sqlatch.command.exits import Exit, Failure, failure_of, offset_of, shown
from sqlatch.command.output import Format, printable
from sqlatch.command.schema import definitions, tables
from sqlatch.command.script import Statement
from sqlatch.errors import SqlatchError
from sqlatch.failures import UNKNOWN
from sqlatch.kernel.hints import did_you_mean

HELP = """\
.tables         tables and views
.schema [NAME]  the SQL that made them
.mode [FORMAT]  table, list, json, jsonl or csv
.read FILE      run the SQL in a file, up to the first error
.again          run a write again whose answer did not come: it is applied once
.help           this
.quit           end, as exit, quit, \\q and Ctrl-D do
SQL ends with a semicolon. Each statement is a transaction of its own."""

ENDS = frozenset({".quit", ".exit", "exit", "quit", "\\q"})

NO_ANSWER = "no answer came. If the statement writes, it may have been applied: look at the rows"


@click.command()
@with_address
def shell(*, address: DatabaseAddress) -> None:
    """Ask and write at a prompt; without a terminal, run what is on standard input.

    There, the first statement that fails ends it.
    """
    with address.open(writes=True) as client:
        session = Shell(client, tells_time=sys.stdin.isatty() and sys.stdout.isatty())
        if sys.stdin.isatty():
            session.talk(prompting(client))
        else:
            session.run_all(sys.stdin.read(), "standard input")


class Shell:
    """Carry out what is typed."""

    def __init__(self, client: Client, *, tells_time: bool = False) -> None:
        self._client = client
        self._tells_time = tells_time
        self._form = Format.TABLE
        self._unanswered: tuple[Statement, str] | None = None
        self.has_ended = False

    def talk(self, read: Callable[[], str]) -> None:
        """Read and do until the end; an error is told, and is not the end."""
        while not self.has_ended:
            try:
                self.run_all(read(), "")
            except KeyboardInterrupt:
                continue
            except EOFError:
                return
            except click.ClickException as error:
                click.echo(error.format_message(), err=True)
            except SqlatchError as error:
                click.echo(failure_of(error, writes=True).format_message(), err=True)

    def run_all(self, text: str, file: str) -> None:
        """Do what is in a text. An error says its line, if the text is that of a file."""
        for piece in _pieces(text):
            if self.has_ended:
                return
            if _is_command(piece.sql):
                self._command(piece)
            else:
                self._execute(piece, str(uuid4()), file)

    def _execute(self, statement: Statement, key: str, file: str) -> None:
        """Run a statement. Its key is remembered if it may have been applied without an answer."""
        began = time.monotonic()
        try:
            result = self._client.execute(statement.sql, idempotency_key=key)
        except KeyboardInterrupt:
            self._unanswered = (statement, key)
            raise Failure(
                f"interrupted: {NO_ANSWER}, or type .again, which applies it once",
                Exit.INTERRUPTED,
            ) from None
        except SqlatchError as error:
            if error.facts.get("outcome") == UNKNOWN:
                self._unanswered = (statement, key)
            raise failure_of(
                error,
                writes=True,
                where=_place(error, statement, file),
                then="; .again runs it once more, and applies it once",
            ) from error
        took_s = time.monotonic() - began
        with shown([result]):
            output.write(result, self._form, sys.stdout)
            if self._tells_time and self._form in (Format.TABLE, Format.LIST):
                sys.stdout.write(f"{output.summary(result, took_s)}\n")
            sys.stdout.flush()

    def _command(self, piece: Statement) -> None:
        name, *arguments = piece.sql.rstrip("; \n").split(maxsplit=1)
        argument = arguments[0].strip() if arguments else ""
        if name.lower() in ENDS:
            self.has_ended = True
        elif name == ".tables":
            found = [table.name for table in tables(self._client) if table.kind != "shadow"]
            click.echo(printable("\n".join(found) or "no tables"))
        elif name == ".schema":
            self._schema(argument)
        elif name == ".mode":
            self._mode(argument)
        elif name == ".read":
            self._read(Path(argument))
        elif name == ".again":
            self._again()
        elif name in (".help", "help", "\\?"):
            click.echo(HELP)
        else:
            raise Failure(
                f"there is no command {name}{did_you_mean(name, COMMANDS)}\n{HELP}",
                Exit.USAGE,
            )

    def _schema(self, name: str) -> None:
        found = [
            one
            for one in definitions(self._client)
            if not name or one.table.lower() == name.lower()
        ]
        for one in found:
            click.echo(printable(f"{one.sql};"))
        if name and not found:
            hint = did_you_mean(name, [one.table for one in definitions(self._client)])
            raise Failure(f"there is no table {name}{hint}", Exit.REFUSED)

    def _mode(self, name: str) -> None:
        if not name:
            click.echo(self._form.value)
        elif name in set(Format):
            self._form = Format(name)
        else:
            raise Failure(
                f"there is no mode {name}{did_you_mean(name, Format)}; the modes are"
                f" {', '.join(Format)}",
                Exit.USAGE,
            )

    def _read(self, path: Path) -> None:
        try:
            text = path.expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Failure(f"{path} cannot be read: {error}", Exit.USAGE) from error
        self.run_all(text, str(path))

    def _again(self) -> None:
        if self._unanswered is None:
            raise Failure("there is no statement whose answer did not come", Exit.USAGE)
        statement, key = self._unanswered
        self._execute(statement, key, "")
        self._unanswered = None


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
        if not text or _is_command(text) or script.is_complete(text):
            event.current_buffer.validate_and_handle()
        else:
            event.current_buffer.insert_text("\n")

    return keys


def _pieces(text: str) -> Iterator[Statement]:
    """Commands, each on a line of its own, and statements."""
    before, begins = "", 1
    for number, line in enumerate(text.splitlines(), 1):
        if _is_command(line) and (not before.strip() or script.is_complete(before)):
            yield from script.located(before, begins)
            yield Statement(line.strip(), number)
            before, begins = "", number + 1
        else:
            before += f"{line}\n"
    yield from script.located(before, begins)


def _is_command(line: str) -> bool:
    """Return whether a line that begins a statement is a command instead."""
    word = line.strip().rstrip("; ").lower()
    return word.startswith((".", "\\")) or word in ENDS or word == "help"


def _place(error: SqlatchError, statement: Statement, file: str) -> str:
    return statement.shown_at(offset_of(error), [file]) if file else ""


def _history() -> Path:
    """A file of one's own: it may hold values."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    directory = state / "sqlatch"
    directory.mkdir(parents=True, exist_ok=True)
    history = directory / "history"
    history.touch(mode=0o600)
    return history
