"""`sqlatch history`, `sqlatch branch`, `sqlatch restore --at`: a database as it was."""

import json
import os
from collections.abc import Iterator

import pytest

from sqlatch.client import Client, connect
from sqlatch.tokens import new_key, sign
from tests.command.conftest import Sqlatch, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service that keeps databases as logs; the environment has a token for it."""
    home = tmp_path_factory.mktemp("logs")
    private, public = new_key()
    token = sign(private, access="rw", databases="*", lifetime_s=3_600)
    with (
        pytest.MonkeyPatch.context() as environment,
        serving(
            home, SQLATCH_LOG=f"directory:{home}", SQLATCH_COPIES=str(home.parent),
            SQLATCH_TOKEN_KEYS=public,
        ) as url,
    ):  # fmt: skip
        environment.setenv("SQLATCH_TOKEN", token)
        yield url


@pytest.fixture
def shop(url: str) -> Iterator[Client]:
    """A database of three commits."""
    with connect(url) as client:
        client.execute("CREATE TABLE t (n)")
        client.execute("INSERT INTO t VALUES (1)")
        client.execute("INSERT INTO t VALUES (2)")
        yield client


def test_the_history_is_a_table_of_commits(sqlatch: Sqlatch, shop: Client) -> None:
    lines = [json.loads(line) for line in sqlatch("history", "-o", "jsonl").out.splitlines()]

    assert [line["position"] for line in lines] == [f"{n:016x}" for n in (3, 2, 1)]
    assert all(line["bytes"] > 0 for line in lines)
    assert lines == [
        json.loads(line)
        for line in sqlatch("history", "-o", "jsonl", shop.database).out.splitlines()
    ]
    older = sqlatch("history", "-o", "jsonl", "--most", "1", "--before", lines[0]["position"])
    assert json.loads(older.out) == lines[1]


def test_a_query_reads_the_past(sqlatch: Sqlatch, shop: Client) -> None:
    at = f"{2:016x}"

    assert sqlatch("query", "-o", "csv", "--at", at, "SELECT n FROM t").out == "n\n1\n"
    both = sqlatch("query", "-o", "csv", "--at", at, "SELECT n FROM t; SELECT count(*) AS c FROM t")
    assert both.out == "n\n1\nc\n1\n"
    refused = sqlatch("query", "--at", at, "DELETE FROM t")
    assert "READ_ONLY: the statement writes, and the past can only be read" in refused.err


@pytest.mark.parametrize(
    "command", ["restore --at {at} --to {to} {name}", "branch --at {at} {name} {to}"]
)
def test_another_database_is_made_of_a_moment(sqlatch: Sqlatch, shop: Client, command: str) -> None:
    to = f"{shop.database}-then"
    words = command.format(at=f"{2:016x}", to=to, name=shop.database).split()

    said = sqlatch(*words)

    assert said.out == f"{to} is {shop.database} as it was at position {2:016x}\n"
    with connect(f"{os.environ['SQLATCH_URL'].rpartition('/')[0]}/{to}") as then:
        assert then.query("SELECT n FROM t").rows == [(1,)]
    assert shop.query("SELECT count(*) FROM t").value() == 2
    assert "exists" in sqlatch(*words).err


def test_a_moment_is_restored_with_both_options(sqlatch: Sqlatch, shop: Client) -> None:
    for words in (["--at", f"{1:016x}"], ["--to", "new"], ["--at", "x", "--to", "new", "--check"]):
        assert "--at and --to" in sqlatch("restore", *words, shop.database).err
    assert "there is no file" in sqlatch("restore", shop.database).err
