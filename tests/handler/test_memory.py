"""Many databases kept warm share one memory: none is refused what the others only keep."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import apsw
import pytest

from handler.service import Service
from sqlatch.errors import StatementError
from tests.conftest import Ask
from tests.writers import ROOT

DATABASES = 16
PROGRAM = """
import json, sys
from handler import local
names = [f"d{n}" for n in range(int(sys.argv[1]))]

def ask(database, query, **more):
    return local.invoke({"database": database, "query": query, "timeout_ms": 60_000, **more})

def over_libsql(database, sql):
    requests = [{"type": "execute", "stmt": {"sql": sql}}]
    event = {"database": database, "pipeline": {"baton": None, "requests": requests}}
    (result,) = local.invoke(event)["results"]
    assert result["type"] == "ok", result

def tried(action):
    try:
        action()
    except Exception as error:
        return str(error)[:100]

refused = []
for name in names:
    ask(name, "CREATE TABLE t (id INTEGER PRIMARY KEY, x)")
    ask(name, "INSERT INTO t (x) VALUES (zeroblob(1000))", parameter_sets=[[]] * 8_000)
for name in names:
    for n in range(60):
        ask(name, f"SELECT {n} /* {'x' * 15_000} */")
    refused.append(tried(lambda: ask(name, "UPDATE t SET x = zeroblob(1001)")))
    refused.append(tried(lambda: over_libsql(name, "UPDATE t SET x = zeroblob(1002)")))
    refused.append(tried(lambda: over_libsql(name, "SELECT sum(length(x)) FROM t")))
for name in names:
    refused.append(tried(lambda: ask(name, "SELECT * FROM t WHERE id = 77")))
    refused.append(tried(lambda: over_libsql(name, "SELECT * FROM t WHERE id = 77")))
print(json.dumps({"refused": [why for why in refused if why], "health": ask_health()}))
""".replace("ask_health()", 'local.invoke({"health": True})')


@pytest.mark.timeout(300)
@pytest.mark.parametrize("environment", ["sqlite"], indirect=True)
def test_warm_databases_give_back_what_another_needs(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(DATABASES)],
        cwd=ROOT,
        env={**os.environ, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-1000:]
    outcome = json.loads(done.stdout)
    assert outcome["refused"] == []
    assert outcome["health"]["status"] == "ok"


WAYS: dict[str, dict[str, Any]] = {
    "read": {"query": "SELECT length(hex(zeroblob(4000000)))"},
    "write": {"query": "INSERT INTO t VALUES (zeroblob(16000000))"},
    "read over libSQL": {"query": "SELECT length(hex(zeroblob(4000000)))"},
    "write over libSQL": {"query": "INSERT INTO t VALUES (zeroblob(16000000))"},
}


@pytest.fixture
def full(the_service: Service, ask: Ask) -> Iterator[Ask]:
    """All memory but a megabyte is held, by a connection of another database of the service."""
    ask(query="CREATE TABLE t (x)")
    ask(query="CREATE TABLE t (x)", database="other")
    held = apsw.Connection(":memory:")
    held.execute("CREATE TABLE held AS SELECT zeroblob(40000000) AS x")
    before = apsw.hard_heap_limit(-1)
    closed = the_service.databases.close

    def close() -> None:
        held.close()
        closed()

    the_service.databases.close = close
    apsw.hard_heap_limit(apsw.memory_used() + 1_000_000)
    yield ask
    apsw.hard_heap_limit(before)


@pytest.mark.parametrize("environment", ["sqlite"], indirect=True)
@pytest.mark.parametrize("way", WAYS)
def test_what_has_run_short_is_done_again_with_nothing_kept(way: str, full: Ask) -> None:
    if "libSQL" in way:
        stmt = {"sql": WAYS[way]["query"]}
        event = {"pipeline": {"baton": None, "requests": [{"type": "execute", "stmt": stmt}]}}
        (result,) = full(event)["results"]
        assert result["type"] == "ok", result
    else:
        assert full(WAYS[way])["meta"]["wrote"] is (way == "write")

    if "write" in way:
        assert full(query="SELECT count(*) FROM t")["rows"] == [[1]]


@pytest.mark.parametrize("environment", ["sqlite"], indirect=True)
def test_a_direct_caller_is_told_the_contracts_class_of_a_shortage(ask: Ask) -> None:
    ask(query="CREATE TABLE t (x)")
    held = apsw.Connection(":memory:")
    held.execute("CREATE TABLE held AS SELECT zeroblob(10000000) AS x")
    before = apsw.hard_heap_limit(apsw.memory_used() + 1_000_000)
    try:
        with pytest.raises(StatementError, match="needs more memory") as refused:
            ask(WAYS["read"])
    finally:
        apsw.hard_heap_limit(before)
        held.close()

    assert type(refused.value) is StatementError, "Step Functions match the name of the class"


@pytest.mark.parametrize("environment", ["sqlite"], indirect=True)
def test_health_says_what_sqlite_holds_and_is_degraded_when_that_stays_too_much(
    ask: Ask,
) -> None:
    ask(query="CREATE TABLE t (x)")
    before = apsw.hard_heap_limit(-1)
    memory = ask(health=True)["memory"]
    assert (memory["ok"], memory["sqlite_bytes_max"]) == (True, before)
    assert 0 < memory["sqlite_bytes"] < before

    held = apsw.Connection(":memory:")
    held.execute("CREATE TABLE held AS SELECT zeroblob(10000000) AS x")
    apsw.hard_heap_limit(15_000_000)
    try:
        health = ask(health=True)
    finally:
        apsw.hard_heap_limit(before)
        held.close()

    assert (health["status"], health["memory"]["ok"]) == ("degraded", False)
