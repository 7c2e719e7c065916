"""EXPLAIN never looks whether the schema it knows is still there: none is kept to be run again."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import apsw
import pytest

from handler.service import service
from tests.conftest import Ask
from tests.events.test_http import v2
from tests.hrana.client import Client, plain
from tests.hrana.conftest import client, keys  # noqa: F401
from tests.sqlexec.test_schema import elsewhere
from tests.storage.sessions import sessions_of
from tests.writers import ROOT

PLAN = "EXPLAIN QUERY PLAN SELECT * FROM t WHERE a = 1"
SCAN, SEARCH = "SCAN t", "SEARCH t USING COVERING INDEX i (a=?)"

LONG = "INSERT INTO t (a) VALUES ('" + "x" * 11_000 + "')"

REPEATED = {
    "a long write": "INSERT INTO t VALUES ('" + "x" * 11_000 + "')",
    "a listing of the caller's own": "EXPLAIN INSERT INTO t VALUES (1)",
}
PROGRAM = """
import json, sys
from handler import local
repeated = json.load(sys.stdin)
local.invoke({"query": "CREATE TABLE before (a)"})
local.invoke({"query": "CREATE TABLE t (a)"})
for n in range(300):
    local.invoke({"query": repeated})
    local.invoke({"query": f"ALTER TABLE before ADD COLUMN c{n}"})
    local.invoke({"query": "SELECT count(*) FROM t"})
"""


@pytest.mark.parametrize("name", REPEATED)
def test_what_is_run_again_after_the_schema_changed_reads_no_freed_memory(
    name: str, environment: dict[str, str]
) -> None:
    """A process of its own, which a signal would end."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        input=json.dumps(REPEATED[name]),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-500:]


def by_itself(ask: Ask, _client: Client) -> Any:
    return ask(query=PLAN)["rows"]


def in_a_write(ask: Ask, _client: Client) -> Any:
    insert = {"query": "INSERT INTO other VALUES (1)"}
    return ask(statements=[insert, {"query": PLAN}])["results"][1]["rows"]


def for_each_set(ask: Ask, _client: Client) -> Any:
    return ask(query=PLAN, parameter_sets=[[]])["rows"]


def over_http(ask: Ask, _client: Client) -> Any:
    answer = ask(v2("POST", "/read", json.dumps({"query": PLAN})))
    assert answer["statusCode"] == 200, answer["body"]
    return json.loads(answer["body"])["rows"]


def over_libsql(_ask: Ask, client: Client) -> Any:  # noqa: F811
    return client.rows(PLAN)


def in_a_transaction_of_libsql(_ask: Ask, client: Client) -> Any:  # noqa: F811
    stream = client.stream()
    stream.execute("BEGIN")
    stream.execute("INSERT INTO other VALUES (1)")
    rows = plain(stream.execute(PLAN))
    assert plain(stream.execute(PLAN)) == rows
    stream.execute("COMMIT")
    return rows


DOORS = (
    by_itself, in_a_write, for_each_set, over_http, over_libsql, in_a_transaction_of_libsql,
)  # fmt: skip


@pytest.mark.parametrize("by_another_process", [False, True])
@pytest.mark.parametrize("door", DOORS)
def test_explain_answers_by_the_schema_as_it_is_now(
    door: Any,
    by_another_process: bool,  # noqa: FBT001
    ask: Ask,
    client: Client,  # noqa: F811
    directory: Path,
) -> None:
    def change(sql: str) -> None:
        if by_another_process:
            elsewhere(directory, sql)
        else:
            ask(query=sql)

    ask(statements=[{"query": "CREATE TABLE t (a)"}, {"query": "CREATE TABLE other (a)"}])
    seen = []
    for sql in (None, "CREATE INDEX i ON t (a)", "DROP INDEX i"):
        if sql:
            change(sql)
        ((*_places, detail),) = door(ask, client)
        seen.append(detail)
    change("DROP TABLE t")
    with pytest.raises(Exception, match="no such table: t"):
        door(ask, client)

    assert seen == [SCAN, SEARCH, SCAN]
    assert explains_kept() == []


def test_describe_answers_by_the_schema_as_it_is_now(
    client: Client,  # noqa: F811
    directory: Path,
) -> None:
    client.rows("CREATE TABLE t (a)")
    stream = client.stream()
    describe = {"type": "describe", "sql": "SELECT * FROM t"}
    stream.ask(describe)
    elsewhere(directory, "ALTER TABLE t ADD COLUMN b INT")

    (result,) = stream.ask(describe)

    assert result["response"]["result"]["cols"] == [
        {"name": "a", "decltype": None},
        {"name": "b", "decltype": "INT"},
    ]


def test_no_explain_is_kept_by_a_describe_or_a_comment_before_it(
    ask: Ask,
    client: Client,  # noqa: F811
) -> None:
    ask(query="CREATE TABLE t (a)")
    for sql in (PLAN, "EXPLAIN SELECT 1", "/* x */ -- y\n ;\ufeff explain DELETE FROM t"):
        client.stream().ask({"type": "describe", "sql": sql})
        ask(query=sql)
        ask(statements=[{"query": "SELECT 1"}, {"query": sql}])

    assert explains_kept() == []


def explains_kept() -> list[str]:
    """The texts with EXPLAIN in the statement caches of every connection of the service."""
    return [
        entry["query"]
        for connection in connections()
        for entry in cached(connection)
        if "EXPLAIN" in entry["query"].upper() or entry["explain"] > 0
    ]


def cached(connection: apsw.Connection) -> list[dict[str, Any]]:
    stats: Any = connection.cache_stats(include_entries=True)
    return list(stats["entries"])


def connections() -> list[apsw.Connection]:
    return [
        session.connection
        for database in service().databases._open.values()
        for store in (database._store, database.interactive._store)
        for session in sessions_of(store)
        if session is not None
    ]
