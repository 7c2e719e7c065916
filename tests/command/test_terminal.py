"""The command line in a terminal: what is seen there, and Ctrl-C."""

import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pexpect
import pytest

from sqlatch.client import Client
from tests.command.conftest import ROOT, Sqlatch
from tests.sqlatch.fault_proxy import Held, holding

Terminal = Callable[..., pexpect.spawn]

ANSWERS_S = 300
"""Long, for a busy machine."""


@pytest.fixture
def terminal(tmp_path: Path, url: str) -> Iterator[Terminal]:
    """Run a command in a terminal of 24 lines and 80 columns."""
    with ExitStack() as stack:

        def terminal(*arguments: str, **variables: str) -> pexpect.spawn:
            environment = {
                "PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TERM": "xterm", "SQLATCH_URL": url,
                "PROMPT_TOOLKIT_NO_CPR": "1", "PAGER": "cat", "NO_COLOR": "1",
            }  # fmt: skip
            child = pexpect.spawn(
                sys.executable, ["-m", "sqlatch", *arguments], cwd=ROOT, timeout=ANSWERS_S,
                encoding="utf-8", dimensions=(24, 80), env=environment | variables,
                preexec_fn=_hears_ctrl_c,
            )  # fmt: skip
            stack.callback(child.close, force=True)
            return child

        yield terminal


def _hears_ctrl_c() -> None:
    """Take SIGINT as a terminal's program does, though these tests may run in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def held(url: str, client: Client) -> Iterator[tuple[Held, str]]:
    """A service that holds the first answer back, and the URL of the test's database there."""
    client.execute("CREATE TABLE t (n)")
    with holding(url) as held:
        yield held


def seen(child: pexpect.spawn, until: str) -> str:
    """The text that a terminal shows up to a text, without what moves and colors it."""
    child.expect(until)
    return re.sub(r"\x1b\[[?\d;]*[A-Za-z]| +(?=\r)|\r", "", child.before + child.after)


def types(shell: pexpect.spawn, line: str) -> None:
    """Answer a prompt: what is typed before it, while the terminal changes hands, can be lost."""
    shell.expect(r"\w>")
    shell.sendline(line)


def test_rows_that_do_not_fit_are_a_list_with_count_and_time(
    terminal: Terminal, client: Client
) -> None:
    client.execute("CREATE TABLE t (n)")
    shell = terminal("shell")
    types(shell, "SELECT 1 AS n;")
    table = seen(shell, r"\d ms\r\n")
    types(shell, f"SELECT 1 AS n, '{'x' * 70}' AS wide, 3 AS last;")
    rows = seen(shell, r"\d ms\r\n")
    types(shell, "exit")
    shell.expect(pexpect.EOF)
    shell.close()

    assert re.search(r"┃ n ┃\n.+\n│ 1 │\n└───┘\n1 row, \d+ ms\n$", table)
    assert re.search(rf"row 1\nn     1\nwide  {'x' * 70}\nlast  3\n1 row, \d+ ms\n$", rows)
    assert shell.exitstatus == 0


def test_what_is_longer_than_the_terminal_goes_through_the_pager(
    terminal: Terminal, client: Client
) -> None:
    client.execute("CREATE TABLE t AS SELECT value FROM json_each(?)", [str([*range(1, 31)])])

    query = terminal("query", "SELECT * FROM t", PAGER="sed s/^/paged:/")
    query.expect(r"paged:│ +30 │[\s\S]*30 rows, \d+ ms\r\n")
    query.expect(pexpect.EOF)
    short = terminal("query", "SELECT 1", PAGER="sed s/^/paged:/")
    short.expect(pexpect.EOF)

    assert "│ 1 │" in short.before
    assert "paged:" not in short.before


def test_an_interrupted_query_says_how_to_ask_again(
    terminal: Terminal, held: tuple[Held, str], sqlatch: Sqlatch, client: Client
) -> None:
    service, url = held
    insert = "INSERT INTO t VALUES (1)"

    query = terminal("query", "-u", url, insert)
    assert service.is_applied.wait(ANSWERS_S)
    query.sendintr()
    query.expect(r"If the SQL writes, it may have been applied: look at the rows, or run it again")
    query.expect(r"with --idempotency-key (\S+), which applies it once")
    key = query.match[1]
    query.expect(pexpect.EOF)
    query.close()
    again = sqlatch("query", "--idempotency-key", key, insert)

    assert (query.exitstatus, again.code) == (130, 0)
    assert client.query("SELECT count(*) FROM t").value() == 1


def test_an_interrupted_statement_is_run_again_and_applied_once(
    terminal: Terminal, held: tuple[Held, str], client: Client
) -> None:
    service, url = held

    shell = terminal("shell", "-u", url)
    types(shell, "INSERT INTO t VALUES (1);")
    assert service.is_applied.wait(ANSWERS_S)
    shell.sendintr()
    shell.expect("it may have been applied: look at the rows, or type .again")
    types(shell, ".again")
    shell.expect("1 row affected")
    types(shell, "\\q")
    shell.expect(pexpect.EOF)

    assert client.query("SELECT count(*) FROM t").value() == 1
