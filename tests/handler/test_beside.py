"""Streams where databases are logs in a table: what they keep there, and what it costs in calls."""

import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from handler import local
from handler.reaper import reap
from handler.record import Record
from handler.service import service
from handler.settings import SettingsError
from sqlatch.kernel.aws.service import Service as AwsService
from tests.conftest import forget
from tests.hrana.client import Client, execute
from tests.hrana.conftest import PUBLIC, token
from tests.hrana.shelf import size_bytes

pytestmark = pytest.mark.parametrize("environment", ["table"], indirect=True)

COMMIT = [execute("COMMIT")]
SMALL, LARGE = "small", os.urandom(40_000).hex()


@pytest.fixture
def client(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setenv("SQLATCH_TOKEN_KEYS", PUBLIC)
    return Client(token())


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The calls for what the service itself keeps in the table, counted where they are sent."""
    counted: Counter[str] = Counter()
    send = vars(AwsService)["send"]

    def counting(self: Any, request: Any, **options: Any) -> Any:
        if b'"#key"' in request.body or b'"#stream' in request.body or b'"#reaper"' in request.body:
            counted[request.headers["x-amz-target"].rpartition(".")[2]] += 1
        return send(self, request, **options)

    monkeypatch.setattr(AwsService, "send", counting)
    return counted


@pytest.fixture
def table(client: Client) -> None:
    client.stream().execute("CREATE TABLE t (n)")


def numbers(client: Client) -> list[Any]:
    return [n for (n,) in client.rows("SELECT n FROM t ORDER BY n")]


def test_what_each_request_of_a_stream_costs_in_calls(
    client: Client, table: None, calls: Counter[str]
) -> None:
    forget(service)
    stream = client.stream()
    insert = "INSERT INTO t VALUES (?)"
    costs = {}
    for name, statement in {
        "first one of an instance": [insert, SMALL],
        "statement alone": [insert, SMALL],
        "begin": ["BEGIN"],
        "write": [insert, SMALL],
        "log goes into the table": [insert, LARGE],
        "log grows": [insert, SMALL],
        "read in the transaction": ["SELECT count(*) FROM t"],
        "commit": ["COMMIT"],
        "read": ["SELECT count(*) FROM t"],
    }.items():
        calls.clear()
        stream.execute(*statement)
        costs[name] = dict(calls)

    assert len(numbers(client)) == 5
    assert costs == {
        "first one of an instance": {"GetItem": 1},
        "statement alone": {},
        "begin": {},
        "write": {},
        "log goes into the table": {"TransactWriteItems": 1},
        "log grows": {"Query": 1, "TransactWriteItems": 1},
        "read in the transaction": {"Query": 1, "TransactWriteItems": 1},
        "commit": {"Query": 1},
        "read": {},
    }


def test_a_stream_goes_on_at_another_instance(client: Client, table: None) -> None:
    stream = client.stream()
    stream.ask({"type": "store_sql", "sql_id": 1, "sql": f"SELECT 1 -- {LARGE}"})
    stream.execute("BEGIN")
    stream.execute("INSERT INTO t VALUES (1)")
    assert stream.baton is not None
    assert len(stream.baton) < 1_000, "the text is in the table"
    forget(service)
    stream.execute("INSERT INTO t VALUES (2)")
    (result,) = stream.ask({"type": "execute", "stmt": {"sql_id": 1}})
    forget(service)
    stream.execute("COMMIT")

    assert result["type"] == "ok"
    assert numbers(client) == [1, 2]


def test_of_two_that_go_on_from_one_baton_neither_sees_what_the_other_has_added(
    client: Client, table: None
) -> None:
    stream = client.stream()
    stream.execute("BEGIN")
    stream.execute("INSERT INTO t VALUES (?)", LARGE)
    first, second = client.stream(), client.stream()
    first.baton = second.baton = stream.baton
    first.execute("INSERT INTO t VALUES (1)")
    second.execute("INSERT INTO t VALUES (2)")
    second.execute("UPDATE t SET n = 0 WHERE n <> 2")
    second.execute("COMMIT")

    assert numbers(client) == [0, 2]
    status, answer = client.send("/v3/pipeline", {"baton": first.baton, "requests": COMMIT})
    assert (status, answer["code"]) == (400, "BAD_BATON"), "one of the two is committed"


def test_a_run_of_the_reaper_costs_few_calls_and_is_remembered(
    client: Client, calls: Counter[str]
) -> None:
    for name in ("a", "b", "c"):
        local.invoke({"query": "CREATE TABLE t (n)", "database": name})
    service().turn.served("b")
    forget(service)
    assert service().turn.order(["a", "b", "c"]) == ["c", "a", "b"]

    calls.clear()
    report = reap(service(), Record("request", "schedule"), ends_at_s=time.time() + 60)

    assert (report["failures"], report["databases_reached"]) == ([], 3)
    assert calls == {"Query": 1, "GetItem": 1, "PutItem": 1}
    assert service().turn.order(["a", "b", "c"]) == ["a", "b", "c"], "c was served, all were"


def test_an_instance_has_nothing_but_copies_on_its_disk(
    client: Client, table: None, tmp_path: Path
) -> None:
    stream = client.stream()
    stream.execute("BEGIN")
    stream.execute("INSERT INTO t VALUES (?)", LARGE)
    reap(service(), Record("request", "schedule"), ends_at_s=time.time() + 60)

    assert size_bytes() > 0
    assert {path.name for path in tmp_path.iterdir()} == {"copies", "databases"}
    assert list((tmp_path / "databases").iterdir()) == []
    kept = {path.name for path in (tmp_path / "copies").rglob("*")}
    assert kept & {".streams", ".reaper", ".leases.sqlite"} == set()
    with pytest.raises(SettingsError):
        _ = service().settings.home
