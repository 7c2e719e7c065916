"""`sqlatch shell`: at a terminal, whose keys a pipe types, and without one."""

from collections.abc import Callable
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from sqlatch.client import Client
from sqlatch.command.completion import SqlCompleter
from sqlatch.command.schema import tables
from sqlatch.command.shell import Shell, prompting
from tests.command.conftest import Sqlatch

Typed = Callable[[str], str]

pytestmark = pytest.mark.timeout(120)
"""A prompt that waits for a key waits for ever."""


@pytest.fixture
def typed(
    client: Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Typed:
    """Return the output of a shell when keys are typed, then Ctrl-D."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def typed(keys: str) -> str:
        screen = DummyOutput()
        # What goes wrong in a key's handler is told at the session's terminal, and waits there.
        with create_pipe_input() as keyboard, create_app_session(keyboard, screen):
            keyboard.send_text(keys + "\x04")
            Shell(client).talk(prompting(client, keyboard=keyboard, screen=screen))
        out, err = capsys.readouterr()
        return out + err

    return typed


def test_a_statement_may_have_several_lines(typed: Typed) -> None:
    typed("CREATE TABLE t\r(n);\rINSERT INTO t\rVALUES (1);\r")

    assert typed(".mode csv\rSELECT *\rFROM t;\r") == "n\n1\n"


def test_an_error_is_told_and_is_not_the_end(typed: Typed) -> None:
    typed("CREATE TABLE t (n);\r")

    written = typed("SELEC;\r.mode jsonl\rSELECT 3 AS a;\r")

    assert '{"a": 3}\n' in written
    assert "STATEMENT_ERROR" in written


def test_the_commands_with_a_dot(typed: Typed) -> None:
    typed("CREATE TABLE t (n);\rCREATE VIEW v AS SELECT 1;\rCREATE INDEX i ON t (n);\r")

    assert typed(".tables\r") == "t\nv\n"
    assert typed(".schema T\r") == "CREATE TABLE t (n);\nCREATE INDEX i ON t (n);\n"
    assert ".schema [NAME]" in typed(".nope\r")
    assert typed(".quit\rSELECT 1;\r") == ""


@pytest.mark.parametrize("word", ["exit", "QUIT", "exit;", "\\q", ".exit", ".quit"])
def test_the_words_that_end_it(typed: Typed, word: str) -> None:
    assert typed(f"{word}\r.mode\r") == ""


HINTS = {
    ".mod": "there is no command .mod; did you mean .mode?\n.tables",
    "\\d": "there is no command \\d\n.tables",
    ".mode tabel": "there is no mode tabel; did you mean table?; the modes are table, list, json",
    ".schema fligths": "there is no table fligths; did you mean flights?\n",
    ".read nope.sql": "nope.sql cannot be read: ",
    ".again": "there is no statement whose answer did not come\n",
    "SELECT * FROM fligths;": "no such table: fligths; did you mean flights?\n",
}


@pytest.mark.parametrize("text", HINTS)
def test_what_is_not_there_is_told_with_what_may_be_meant(
    typed: Typed, client: Client, text: str
) -> None:
    client.execute("CREATE TABLE flights (n)")

    assert HINTS[text] in typed(f"{text}\r")


def test_the_mode_is_told_and_changed(typed: Typed) -> None:
    assert typed(".mode\r.mode list\r.mode\r") == "table\nlist\n"


def test_a_file_is_read_up_to_the_first_error(typed: Typed, tmp_path: Path) -> None:
    file = tmp_path / "t.sql"
    file.write_text(
        "CREATE TABLE t (n);\n.mode csv\n\nSELECT 5 AS n;\n-- c\nSELECT\n nope;\n.tables\n"
    )

    written = typed(f".read {file}\r.mode\r")

    assert written == (
        "0 rows affected\nn\n5\ncsv\n"
        f"STATEMENT_ERROR: no such column: nope (at offset 13) ({file}, line 7)\n  nope;\n"
    )


def test_history_is_kept_for_its_owner_alone(typed: Typed, tmp_path: Path) -> None:
    typed("CREATE TABLE remembered (n);\r")
    history = tmp_path / "sqlatch" / "history"

    assert "remembered" in history.read_text()
    assert history.stat().st_mode & 0o077 == 0
    assert typed("\x10\r").count("already exists") == 1


def test_tab_completes_a_column(typed: Typed, client: Client) -> None:
    client.execute("CREATE TABLE flights AS SELECT 'UA' AS carrier, 'EWR' AS origin")

    assert typed(".mode csv\rSELECT carr\t FROM flights;\r") == "carrier\nUA\n"


COMPLETED = {
    "SELECT fl": ["flights"],
    "SELECT flights.": ["carrier", "origin"],
    "SELECT f.or": ["origin"],
    "select or": ["origin", '"order"', "OR", "ORDER BY"],
    ".sc": [".schema"],
    "SELECT _": [],
}


@pytest.mark.parametrize("text", COMPLETED)
def test_what_is_completed(client: Client, text: str) -> None:
    client.execute("CREATE TABLE flights (carrier, origin)")
    client.execute('CREATE TABLE "order" (n)')
    completer = SqlCompleter(lambda: tables(client))

    found = completer.get_completions(Document(text), CompleteEvent())

    assert sorted(one.text for one in found) == sorted(COMPLETED[text])


def test_without_a_terminal_the_first_failure_ends_it(sqlatch: Sqlatch, client: Client) -> None:
    ended = sqlatch("shell", given="CREATE TABLE t (n);\nSELEC;\nINSERT INTO t VALUES (1);\n")

    assert ended.code == 3
    assert "STATEMENT_ERROR" in ended.err
    assert "(standard input, line 2)\n  SELEC;" in ended.err
    assert client.query("SELECT * FROM t").rows == []


def test_without_a_terminal_commands_stand_between_statements(sqlatch: Sqlatch) -> None:
    given = ".mode csv\nCREATE TABLE t (n);\n.tables\nSELECT ';' AS\n  x; SELECT 2 AS y;\n"

    assert sqlatch("shell", given=given).out == "t\nx\n;\ny\n2\n"
