"""`sqlatch query` and `health`: what is written, and the exit codes."""

import csv
import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from typing import IO, Any

import pytest

from sqlatch.client import Client
from sqlatch.command.script import statements
from tests.command.conftest import Sqlatch, serving

ROWS = "SELECT 1 AS n, 'a;\"b' AS text, NULL AS none, x'00ff' AS blob, 9e999 AS r"


def test_a_table_says_every_kind_of_value(sqlatch: Sqlatch) -> None:
    sqlatch("query", "CREATE TABLE t (n)")

    lines = sqlatch("query", ROWS).out.splitlines()

    assert lines[3] == "│ 1 │ a;\"b │ NULL │ x'00ff' (2 bytes) │ inf │"


def test_json_and_jsonl_are_what_the_service_says(sqlatch: Sqlatch) -> None:
    sqlatch("query", "CREATE TABLE t (n)")
    values = [1, 'a;"b', None, {"base64": "AP8="}, {"real": "Infinity"}]
    names = ["n", "text", "none", "blob", "r"]

    assert json.loads(sqlatch("query", "-o", "json", ROWS).out) == {
        "columns": names, "rows": [values], "rows_affected": 0, "last_insert_rowid": None
    }  # fmt: skip
    assert json.loads(sqlatch("query", "-o", "jsonl", ROWS).out) == dict(
        zip(names, values, strict=True)
    )
    assert sqlatch("query", "-o", "jsonl", "SELECT 1 AS n, 2 AS n").out == '{"n": 1, "n:1": 2}\n'


def test_csv_is_read_back_by_what_reads_csv(sqlatch: Sqlatch) -> None:
    sqlatch("query", "CREATE TABLE t (n)")

    written = sqlatch(
        "query", "-o", "csv",
        "SELECT 'a\"b,c' AS x, 'd' || char(10) || 'e' AS y, 'f' || char(13) AS z, 'g' AS w",
    ).out  # fmt: skip

    assert written == 'x,y,z,w\n"a""b,c","d\ne","f\r",g\n'
    assert list(csv.reader(io.StringIO(written, newline=""))) == [
        ["x", "y", "z", "w"],
        ['a"b,c', "d\ne", "f\r", "g"],
    ]


def test_a_text_cannot_control_the_terminal(sqlatch: Sqlatch) -> None:
    sqlatch("query", "CREATE TABLE t (n)")

    answer = sqlatch("query", "SELECT char(27) || ']0;owned' || char(7) AS \"\x1b[31mn\"")
    refused = sqlatch("query", "SELECT \x1b[31m")

    assert "\\x1b]0;owned\\x07" in answer.out
    assert "\x1b" not in answer.out + refused.out + refused.err


def test_a_wide_table_is_not_cut_where_no_terminal_shows_it(sqlatch: Sqlatch) -> None:
    sqlatch("query", "CREATE TABLE t (n)")

    assert f"│ {'x' * 900} │" in sqlatch("query", f"SELECT '{'x' * 900}' AS n").out


def test_several_statements_are_one_transaction(sqlatch: Sqlatch, client: Client) -> None:
    sqlatch("query", "CREATE TABLE t (n UNIQUE)")

    ended = sqlatch(
        "query", "-", given="INSERT INTO t VALUES (1); -- one;\nINSERT INTO t VALUES (1);"
    )

    assert (ended.code, ended.out) == (3, "")
    assert ended.err.startswith("Error: CONSTRAINT: UNIQUE constraint failed: t.n")
    assert client.query("SELECT * FROM t").rows == []


def test_parameters_are_json(sqlatch: Sqlatch, client: Client) -> None:
    sqlatch("query", "CREATE TABLE t (a, b)")

    sqlatch("query", "-p", '[1, {"base64": "AP8="}]', "INSERT INTO t VALUES (?, ?)")
    sqlatch("query", "-p", '{"b": {"real": "-Infinity"}}', "INSERT INTO t VALUES (2, :b)")

    assert client.query("SELECT * FROM t").rows == [(1, b"\0\xff"), (2, float("-inf"))]


@pytest.mark.parametrize("parameters", ["{", "1", '[{"base64": "?"}]'])
def test_parameters_that_are_none_are_wrong_usage(sqlatch: Sqlatch, parameters: str) -> None:
    assert sqlatch("query", "-p", parameters, "SELECT ?").code == 2


INSERT = "INSERT INTO t VALUES (1), (2) RETURNING n;"


@pytest.mark.parametrize("stdout", ["full disk", "closed pipe"])
@pytest.mark.parametrize("command", ["query", "shell"])
def test_what_was_applied_is_told_where_its_result_cannot_be_written(
    client: Client, stdout: str, command: str
) -> None:
    client.execute("CREATE TABLE t (n)")
    with unwritable(stdout) as file, running(command, INSERT, file) as process:
        _out, err = process.communicate()

    assert process.returncode == 1
    assert err.startswith("Error: applied, 2 rows affected; the result could not be written: ")
    assert err.count("\n") == 1
    assert client.query("SELECT count(*) FROM t").value() == 2


def test_a_pipe_that_is_full_is_waited_for(client: Client) -> None:
    client.execute("CREATE TABLE t (n)")
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as reader:
        with os.fdopen(write_end, "wb") as writer:
            os.set_blocking(write_end, False)
            with suppress(BlockingIOError):
                while os.write(write_end, b"x" * 4096):
                    pass
            process = running("query", INSERT, writer)
        with process:
            written = reader.read().decode()

    assert process.returncode == 0
    assert written.lstrip("x").splitlines()[3:5] == ["│ 1 │", "│ 2 │"]


@contextmanager
def unwritable(kind: str) -> Iterator[IO[bytes]]:
    """A file that nothing can be written to."""
    if kind == "full disk":
        with Path("/dev/full").open("wb") as file:
            yield file
        return
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as file:
        yield file


def running(command: str, sql: str, stdout: IO[bytes]) -> subprocess.Popen[str]:
    arguments = [command] if command == "shell" else [command, sql]
    process = subprocess.Popen(
        [sys.executable, "-m", "sqlatch", *arguments],
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(sql)
    process.stdin.close()
    process.stdin = None
    return process


EXITS: list[tuple[list[str], int, str]] = [
    (["query", "SELECT 1"], 3, "DATABASE_NOT_FOUND"),
    (["query", "SELEC"], 3, "STATEMENT_ERROR"),
    (["query", "-r", "CREATE TABLE t (n)"], 3, "READ_ONLY"),
    (["query", "-u", "ftp://x/y", "SELECT 1"], 2, "BAD_URL"),
    (["query", ""], 2, "there is no statement"),
    (["query"], 2, "give SQL, or a file of it with -f"),
    (["query", "-f", "/dev/null", "SELECT 1"], 2, "give SQL, or a file of it with -f"),
    (["query", "-r", "--idempotency-key", "k", "SELECT 1"], 2, "is for what writes"),
    (["query", "-p", "[]", "SELECT 1; SELECT 2"], 2, "parameters are for one statement"),
    (["nope"], 2, "No such command"),
    (["query", "--timeout", "2", "-u", "http://127.0.0.1:9/main", "SELECT 1"],
     5, "UNREACHABLE"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "code", "said"), EXITS)
def test_the_exit_code_tells_what_to_do(
    sqlatch: Sqlatch, arguments: list[str], code: int, said: str
) -> None:
    ended = sqlatch(*arguments)

    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err


def test_what_may_have_been_written_has_an_exit_code_of_its_own(sqlatch: Sqlatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/main"
        common = ("query", "--timeout", "0.3", "-u", url)

        write, read = sqlatch(*common, "DELETE FROM t"), sqlatch(*common, "-r", "SELECT 1")

    assert (write.code, read.code) == (6, 5)


def test_health_is_5_where_the_service_is_not_well(sqlatch: Sqlatch, directory: Path) -> None:
    well = sqlatch("health")
    (gone := directory / "gone").mkdir()
    with serving(gone) as url:
        rmtree(gone)
        unwell = sqlatch("health", "-u", f"{url}/main")

    assert (well.code, json.loads(well.out)["status"]) == (0, "ok")
    assert (unwell.code, json.loads(unwell.out)["status"]) == (5, "degraded")


SCRIPTS: list[tuple[str, Any]] = [
    ("", []),
    (" ;", [";"]),
    ("SELECT 1", ["SELECT 1"]),
    ("SELECT 1; SELECT ';';", ["SELECT 1;", "SELECT ';';"]),
    ("-- no; statement\n/* none; */", []),
    ("CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT 1; SELECT 2; END; SELECT 3",
     ["CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT 1; SELECT 2; END;", "SELECT 3"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), SCRIPTS)
def test_a_script_is_cut_where_sqlite_would(text: str, expected: list[str]) -> None:
    assert list(statements(text)) == expected


SQL_FILE = "SELECT 1;\n-- one\n\nINSERT INTO t\nVALUES (1);\n/* two */ INSERT INTO t VALUES (1);\n"
PLACES: dict[str, tuple[str, str]] = {
    "a constraint": (
        SQL_FILE,
        "(FILE, statement 3 of 3, line 6)\n  /* two */ INSERT INTO t VALUES",
    ),
    "a name": ("SELECT 1;\nSELECT 'é',\n nope\n;", "(FILE, statement 2 of 2, line 3)\n  nope\n"),
    "the only statement": ("\n\nSELEC", "(FILE, line 3)\n  SELEC\n"),
}


@pytest.mark.parametrize("name", PLACES)
def test_an_error_in_a_file_says_its_line_and_statement(
    sqlatch: Sqlatch, client: Client, tmp_path: Path, name: str
) -> None:
    client.execute("CREATE TABLE t (n UNIQUE)")
    file = tmp_path / "t.sql"
    text, place = PLACES[name]
    file.write_text(text)

    ended = sqlatch("query", "-f", str(file))

    assert ended.code == 3
    assert place.replace("FILE", str(file)) in ended.err
    assert client.query("SELECT * FROM t").rows == []


def test_a_write_under_a_key_is_applied_once(sqlatch: Sqlatch, client: Client) -> None:
    client.execute("CREATE TABLE t (n)")
    insert = ("query", "--idempotency-key", "k", "INSERT INTO t VALUES (1)")

    first, again = sqlatch(*insert), sqlatch(*insert)
    other = sqlatch("query", "--idempotency-key", "k", "INSERT INTO t VALUES (2)")

    assert (first.code, again.code, other.code) == (0, 0, 3)
    assert client.query("SELECT * FROM t").rows == [(1,)]


def test_rows_may_be_a_list_and_a_plan_is_a_tree(sqlatch: Sqlatch) -> None:
    sqlatch("query", "CREATE TABLE t (n)")

    rows = sqlatch("query", "-o", "list", "SELECT 1 AS a, 'x' AS longer UNION VALUES (2, NULL)")
    plan = sqlatch("query", "EXPLAIN QUERY PLAN SELECT 1 UNION SELECT n FROM t")

    assert [line.rstrip() for line in rows.out.splitlines()] == [
        "row 1", "a       1", "longer  x", "row 2", "a       2", "longer  NULL"
    ]  # fmt: skip
    assert plan.out.splitlines()[:3] == [
        "query plan",
        "└── MERGE (UNION)",
        "    ├── LEFT",
    ]


@pytest.mark.parametrize(
    ("given", "why"),
    [(";" * 5_000_001, "more than 5,000,000 characters"), ("SELECT '\0'", "NUL character")],
    ids=["long", "NUL"],
)
def test_a_script_that_cannot_be_sent_is_refused_with_the_limit(
    sqlatch: Sqlatch, given: str, why: str
) -> None:
    ended = sqlatch("query", "-", given=given)

    assert ended.code == 2
    assert why in " ".join(ended.err.split())
