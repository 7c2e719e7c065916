"""The counts of a request's statements in its log line, and what `sqlatch top` makes of them."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner

from handler.log import SHAPES_MAX
from sqlatch.command.top import top
from tests.conftest import Ask

SECRETS = ("hunter2", "s3cr3t", "p4ssw0rd", "t0ken")


@pytest.fixture
def lines(ask: Ask, capsys: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    """The lines that were logged since it was last asked."""
    return lambda: capsys.readouterr().err.splitlines()


def shapes(line: str) -> list[dict[str, Any]]:
    found = json.loads(line).get("shapes", [])
    assert all(one.pop("duration_ms") > 0 and len(one.pop("fingerprint")) == 12 for one in found)
    return list(found)


def test_a_line_has_the_shapes_of_its_statements(lines: Any, ask: Ask) -> None:
    ask(query="CREATE TABLE t (n, m)")
    ask(query="INSERT INTO t VALUES (?, 'x')", parameter_sets=[[n] for n in range(100)])
    lines()

    ask(
        statements=[
            {"query": "SELECT count(*) FROM t WHERE m = 'x'"},
            {"query": "select count(*) from t where m = 'y'"},
            {"query": "INSERT INTO t VALUES (1, 2)"},
        ]
    )
    ask(query="INSERT INTO t VALUES (?, ?)", parameter_sets=[[1, 2]] * 7)
    several, sets = lines()

    select = {"sql": "SELECT count (*) FROM t WHERE m = ?", "count": 2, "values": 2}
    insert = {"sql": "INSERT INTO t VALUES (?,...)", "count": 1, "rows_scanned": 0}
    assert shapes(several) == [
        {**select, "rows_scanned": 198},  # SQLite counts the steps from row to row
        {**insert, "values": 1},
    ]
    assert shapes(sets) == [{**insert, "values": 7}]


def test_no_value_is_in_a_line(lines: Any, ask: Ask, refused: Ask) -> None:
    one, two, three, four = SECRETS
    ask(query="CREATE TABLE person (name, phrase UNIQUE)")
    ask(query=f"INSERT INTO person VALUES ('{one}', :{two}) -- {three}", parameters={two: four})
    ask(query=f"SELECT \"{one}\" FROM person WHERE name = x'{'ab' * 4}' /* {two} */")
    refused(query=f"INSERT INTO person VALUES ('{three}', ?)", parameters=[four])
    refused(query=f"SELECT {one} FROM person WHERE name = '{two}'")
    text = "\n".join(found := lines())

    assert len(found) == 5
    assert text.count('"shapes"') == 4, "what was refused as it was prepared has not run"
    assert not [secret for secret in (*SECRETS, "abab") if secret in text]


def test_the_shapes_of_a_line_have_a_limit(lines: Any, ask: Ask) -> None:
    ask(query="CREATE TABLE t (n)")
    lines()

    ask(statements=[{"query": f"SELECT n AS n{n} FROM t"} for n in range(SHAPES_MAX + 5)])

    (line,) = lines()
    found = json.loads(line)["shapes"]
    assert len(found) == SHAPES_MAX + 1
    assert (found[-1]["sql"], found[-1]["count"]) == ("(others)", 5)


def test_top_adds_lines_up(lines: Any, ask: Ask) -> None:
    ask(query="CREATE TABLE t (n)")
    for _call in range(3):
        ask(query="INSERT INTO t VALUES (7)")
    ask(query="SELECT * FROM t WHERE n = 7")
    log = ["no JSON", "{half", *(f"2026-11-22T10:00:00 {line}" for line in lines())]
    log += ["[1]", '{"shapes": [1, {"count": 1}]}', '{"shapes": 1}']

    said = CliRunner().invoke(top, ["--by", "count", "-n", "1"], input="\n".join(log))
    by_rows = CliRunner().invoke(top, ["--by", "rows", "-n", "1", "-"], input="\n".join(log))

    head, first = said.output.splitlines()
    assert head.split() == ["calls", "ms", "ms/call", "scanned", "statement"]
    assert first.split()[0] == "3"
    assert first.endswith(" INSERT INTO t VALUES (?)")
    assert "  main " in first
    assert by_rows.output.splitlines()[1].endswith(" SELECT * FROM t WHERE n = ?")
