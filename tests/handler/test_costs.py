"""The costs of a request, counted: calls to DynamoDB, modules loaded. Counts do not vary."""

import os
import shutil
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmarks.bare import connect
from benchmarks.vfs import counting
from handler.service import service
from sqlatch.kernel.aws.service import Service as AwsService
from tests.conftest import Ask, forget
from tests.events.test_http import v2
from tests.forge import PUBLIC, bearer
from tests.handler.test_messages import insert, record
from tests.writers import ROOT

pytestmark = pytest.mark.parametrize("environment", ["dynamodb"], indirect=True)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The operations asked of AWS, counted where they are sent."""
    counted: Counter[str] = Counter()
    send = vars(AwsService)["send"]

    def counting(self: Any, request: Any, **options: Any) -> Any:
        counted[request.headers["x-amz-target"].rpartition(".")[2]] += 1
        return send(self, request, **options)

    monkeypatch.setattr(AwsService, "send", counting)
    return counted


def test_dynamodb_calls_of_each_kind_of_request(ask: Ask, calls: Counter[str]) -> None:
    ask(query="CREATE TABLE t (n)")
    costs = {}
    for name, event in {
        "read": {"query": "SELECT * FROM t"},
        "batch of reads": {"statements": [{"query": "SELECT 1"}] * 5},
        "write": {"query": "INSERT INTO t VALUES (1)"},
        "idempotent write": {"query": "INSERT INTO t VALUES (1)", "idempotency_key": "k"},
        "replay": {"query": "INSERT INTO t VALUES (1)", "idempotency_key": "k"},
        "bulk of 10,000 rows": {
            "query": "INSERT INTO t VALUES (?)",
            "parameter_sets": [[n] for n in range(10_000)],
        },
        "queue batch of ten": {"Records": [record(f"m{n}", insert(n)) for n in range(10)]},
        "vacuum": {"query": "VACUUM"},
    }.items():
        calls.clear()
        ask(event)
        costs[name] = dict(calls)

    two = {"UpdateItem": 2}
    assert costs == {
        "read": {},
        "batch of reads": {},
        "write": two,
        "idempotent write": two,
        "replay": two,
        "bulk of 10,000 rows": two,
        "queue batch of ten": two,
        "vacuum": two,
    }


UNWANTED = {
    "asyncio", "boto3", "http.server", "importlib.metadata", "pydantic", "shutil",
    "sqlite3", "tempfile", "events.http", "events.sqs", "handler.messages", "hrana",
    "storage.log.compaction", "storage.log.replacement",
}  # fmt: skip
"""Modules that no first request over the direct door needs, whatever the engine."""


def first_request(statement: str) -> str:
    """The code of a fresh function: one direct invoke of that statement."""
    context = "SimpleNamespace(aws_request_id='r', get_remaining_time_in_millis=lambda: 20_000)"
    return (
        "from types import SimpleNamespace; from handler.query import lambda_handler;"
        f" lambda_handler({{'query': {statement!r}}}, {context})"
    )


def loaded_after(code: str, environment: dict[str, str]) -> set[str]:
    """The modules in a fresh process after some code."""
    code += "\nimport sys; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(result.stdout.split())


def test_importing_the_handler_loads_neither_the_aws_sdk_nor_the_other_doors(
    environment: dict[str, str],
) -> None:
    loaded = loaded_after("import handler.query", environment)

    unwanted = {"boto3", "botocore.session", "aws_xray_sdk", "sqlite3", "asyncio", "http.server"}
    unwanted |= {"pydantic", "importlib.metadata"}
    unwanted |= {
        "events.http",
        "events.sqs",
        "handler.messages",
        "handler.health",
        "locking.sqlite",
    }
    assert loaded & unwanted == set()


def test_a_process_that_only_reads_never_loads_the_aws_sdk(
    ask: Ask, environment: dict[str, str]
) -> None:
    ask(query="CREATE TABLE t (n)")

    loaded = loaded_after(first_request("SELECT * FROM t"), environment)

    assert {"handler.query", "apsw"} <= loaded
    assert loaded & UNWANTED == set()
    assert loaded & {"botocore.session", "locking.lease", "locking.leases", "storage.log"} == set()
    assert (
        loaded & {"handler.links", "events.lines", "sqlexec.outflow", "sqlatch.kernel.aws"} == set()
    )


def test_a_process_that_writes_loads_its_table_of_leases_and_no_other(
    ask: Ask, environment: dict[str, str]
) -> None:
    ask(query="CREATE TABLE t (n)")

    loaded = loaded_after(first_request("INSERT INTO t VALUES (1)"), environment)

    assert {"locking.leases", "locking.dynamodb"} <= loaded
    assert loaded & UNWANTED == set()
    assert loaded & {"botocore.session", "locking.sqlite", "storage.log"} == set()


def test_only_a_token_loads_what_checks_tokens(ask: Ask, environment: dict[str, str]) -> None:
    ask(query="CREATE TABLE t (n)")
    environment |= {"SQLATCH_TOKEN_KEYS": PUBLIC}
    libraries = {"jwt", "cryptography"}
    post = v2("POST", "/query", '{"query": "SELECT * FROM t"}', headers={"authorization": "Bearer"})
    code = f"from handler import local; local.invoke({post!r})"

    untold = loaded_after(code, environment)
    guarded = loaded_after(code, environment | {"SQLATCH_HTTP_AUTH": "token"})
    post["headers"] = {"authorization": bearer(time.time())}
    code = f"from handler import local; local.invoke({post!r})"
    checked = loaded_after(code, environment | {"SQLATCH_HTTP_AUTH": "token"})

    assert untold & (libraries | {"handler.tokens"}) == set()
    assert guarded & (libraries | {"handler.tokens"}) == {"handler.tokens"}, "there was no token"
    assert checked & (libraries | {"handler.tokens"}) == libraries | {"handler.tokens"}


def test_the_objects_of_rows_that_are_encoded_are_freed_while_the_next_are_fetched(
    ask: Ask,
) -> None:
    ask(query="CREATE TABLE t (n, text)")
    sets = [[n, f"text {n}"] for n in range(100_000)]
    ask(query="INSERT INTO t VALUES (?, ?)", parameter_sets=sets)
    post = v2("POST", "/query", '{"query": "SELECT * FROM t"}')

    tracemalloc.start()
    body = ask(post)["body"]
    _now_bytes, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(body) > 2_000_000
    assert peak_bytes < 4 * len(body), "all of them as objects are more"


def test_file_calls_of_a_warm_request_are_those_of_bare_sqlite(
    ask: Ask, directory: Path, tmp_path: Path
) -> None:
    insert_one: dict[str, Any] = {"query": "INSERT INTO t VALUES (?)", "parameters": [1]}
    select_one: dict[str, Any] = {"query": "SELECT n FROM t WHERE rowid = ?", "parameters": [1]}
    events = {"read": select_one, "write": insert_one}
    with counting() as counted:
        ask(query="CREATE TABLE t (n)")
        shutil.copy(directory / "main.db", tmp_path / "bare.db")
        bare = connect(tmp_path / "bare.db")
        costs: dict[str, dict[str, Counter[str]]] = {"service": {}, "bare": {}}
        for kind in ("write", "read"):
            event = events[kind]
            for _warm_up in range(3):
                ask(event)
                bare.execute(event["query"], event["parameters"]).fetchall()
            counted.clear()
            ask(event)
            costs["service"][kind] = Counter(counted)
            counted.clear()
            bare.execute(event["query"], event["parameters"]).fetchall()
            costs["bare"][kind] = Counter(counted)
        bare.close()
        forget(service)

    assert costs["service"] == costs["bare"]
    assert costs["bare"]["write"]["xSync"] >= 3, "the journal, its header and the file"
