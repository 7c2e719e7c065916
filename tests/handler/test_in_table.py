"""Every entry point on databases that are logs in DynamoDB and S3, and what each costs in calls."""

import json
import os
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from events.request import QueryEvent
from handler.log import Logged
from handler.reaper import reap
from handler.record import Record
from handler.service import Service, service
from handler.settings import Settings
from handler.streams import StreamDatabase
from sqlatch.kernel.aws.service import Service as AwsService
from sqlatch.kernel.errors import SqlatchError, Timeout
from storage.log import courtesy
from storage.log.dynamodb import DynamoLog
from tests.conftest import Ask, forget
from tests.dynamodb_server import CREDENTIALS, create_log
from tests.handler.test_costs import UNWANTED, first_request, loaded_after
from tests.handler.test_messages import failed, insert, record
from tests.hrana.client import Client
from tests.hrana.conftest import PUBLIC, token


@pytest.fixture(autouse=True)
def logs(environment: dict[str, str], moto_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The logs; there are no leases, and no directory but that of the copies."""
    monkeypatch.delenv("SQLATCH_DATABASES", raising=False)
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": moto_url}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SQLATCH_LOG", create_log(moto_url, f"log-{uuid4()}"))
    monkeypatch.setenv("SQLATCH_TOKEN_KEYS", PUBLIC)


@pytest.fixture(autouse=True)
def copies(logs: None, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "copies").mkdir(exist_ok=True)
    monkeypatch.setenv("SQLATCH_COPIES", str(tmp_path / "copies"))


@pytest.fixture
def calls(frozen_clocks: None, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The operations of DynamoDB, and the methods of S3, counted where they are sent."""
    counted: Counter[str] = Counter()
    send = vars(AwsService)["send"]

    def counting(self: Any, request: Any, **options: Any) -> Any:
        target = request.headers.get("x-amz-target", request.method)
        counted[target.rpartition(".")[2]] += 1
        return send(self, request, **options)

    monkeypatch.setattr(AwsService, "send", counting)
    return counted


@pytest.fixture
def table(ask: Ask) -> None:
    ask(query="CREATE TABLE t (n UNIQUE CHECK (n < 100))")


def numbers(ask: Ask) -> list[Any]:
    return [n for (n,) in ask(query="SELECT n FROM t ORDER BY n")["rows"]]


def test_what_is_written_is_read_by_another_instance(table: None, ask: Ask) -> None:
    first = ask(**insert(1))["meta"]["position"]
    forget(service)
    second = ask(**insert(2), idempotency_key="once")["meta"]["position"]
    again = ask(**insert(2), idempotency_key="once")["meta"]

    assert (first, second) == (f"{2:016x}", f"{3:016x}")
    assert again["replayed"] is True
    assert again["lease_wait_ms"] is None
    assert numbers(ask) == [1, 2]


def events(key: str) -> dict[str, dict[str, Any]]:
    batch = [record(f"{key}-{n}", insert(10 + n)) for n in range(10)]
    sets = [[-n] for n in range(50)]
    return {
        "write": insert(1),
        "idempotent write": {**insert(2), "idempotency_key": key},
        "bulk of 50 rows": {"query": "INSERT INTO t VALUES (?)", "parameter_sets": sets},
        "queue batch of ten": {"Records": batch},
        "vacuum": {"query": "VACUUM"},
        "read": {"query": "SELECT * FROM t"},
        "older read": {"query": "SELECT * FROM t", "max_age_ms": 60_000},
        "write that changes nothing": {"query": "DELETE FROM t WHERE n = 99"},
        "replay": {**insert(2), "idempotency_key": key},
    }


def test_a_write_and_a_fresh_read_are_one_call_and_an_older_read_is_none(
    table: None, ask: Ask, calls: Counter[str]
) -> None:
    for event in events("warm").values():
        ask(event)
    ask(query="DELETE FROM t")
    costs = {}
    for name, event in events("new").items():
        calls.clear()
        ask(event)
        costs[name] = dict(calls)

    put, query = {"PutItem": 1}, {"Query": 1}
    assert costs == {
        "write": put,
        "idempotent write": put,
        "bulk of 50 rows": put,
        "queue batch of ten": put,
        "vacuum": put,
        "read": query,
        "older read": {},
        "write that changes nothing": query,
        "replay": query,
    }


def test_a_write_is_counted_as_one_though_it_waits_for_no_lease(
    table: None, ask: Ask, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    for event in ({"query": "SELECT * FROM t"}, insert(1)):
        ask(event)

    read, write = map(json.loads, capfd.readouterr().err.splitlines())
    assert write["Writes"] == 1
    assert not {"LeaseWaitMs", "lease_wait_ms"} & write.keys()
    assert "Writes" not in read


def test_every_ninth_write_in_a_row_asks_whether_another_has_asked_for_its_turn(
    table: None, ask: Ask, calls: Counter[str]
) -> None:
    ask(query="SELECT * FROM t")
    ask(**insert(-1))
    ask(query="SELECT * FROM t")
    calls.clear()
    for number in range(2 * (courtesy.BLIND_MAX + 1)):
        ask(**insert(number))

    assert calls == {"PutItem": 2 * (courtesy.BLIND_MAX + 1), "Query": 2}


@pytest.fixture
def at_another(logs: None, copies: None) -> Iterator[Callable[..., dict[str, Any]]]:
    """The answers of another instance."""
    other = Service(Settings.from_environment(os.environ))

    def answer(**fields: Any) -> dict[str, Any]:
        event, ends_at_s = QueryEvent(**fields), time.time() + 60
        return other.answer(event, Record("other", "direct"), ends_at_s=ends_at_s)

    yield answer
    other.close()


@pytest.fixture
def instances(table: None, ask: Ask, at_another: Ask) -> tuple[Ask, Ask]:
    return ask, at_another


def test_a_write_on_an_old_state_is_run_again_on_the_newest(
    table: None, ask: Ask, at_another: Ask, calls: Counter[str]
) -> None:
    change = "UPDATE t SET n = n + 1 RETURNING n"
    ask(**insert(1))
    ask(query=change)
    at_another(query=change)
    calls.clear()

    assert ask(query=change)["rows"] == [[4]]
    assert calls == {"PutItem": 2, "Query": 1}, "it was refused, asked, and was appended"
    assert at_another(query=change)["rows"] == [(5,)]
    assert numbers(ask) == [5]


KEYED = {**insert(5), "idempotency_key": "k"}


@pytest.mark.parametrize(
    ("event", "elsewhere", "answer"),
    [
        ({"query": "DELETE FROM t WHERE n = 5"}, insert(5), 1),
        (insert(5), insert(5), "CONSTRAINT"),
        (insert(5), {"query": "DROP TABLE t"}, "STATEMENT_ERROR"),
        (insert(5), {"query": "DELETE FROM t"}, 1),
        ({"query": "INSERT INTO u VALUES (5)"}, {"query": "CREATE TABLE u (n)"}, 1),
        (KEYED, KEYED, "replayed"),
    ],
)
def test_no_answer_is_that_of_an_old_state(
    instances: tuple[Ask, Ask],
    calls: Counter[str],
    event: dict[str, Any],
    elsewhere: dict[str, Any],
    answer: int | str,
) -> None:
    """A write that has nothing to append is refused by nobody."""
    ask, at_another = instances
    ask(query="CREATE TABLE IF NOT EXISTS u (n)")
    with suppress(SqlatchError):
        ask(**{**event, "idempotency_key": "another"})
    ask(query="DROP TABLE u")
    if elsewhere != {"query": "DELETE FROM t"}:
        ask(query="DELETE FROM t")
    at_another(**elsewhere)

    calls.clear()

    assert outcome(ask, event) == answer
    assert calls["Query"] > 0, "it was not refused, so the log was asked"


def outcome(ask: Ask, event: dict[str, Any]) -> Any:
    """Return the rows affected, "replayed", or the code of the error."""
    try:
        reply = ask(event)
    except SqlatchError as error:
        return error.code
    return "replayed" if reply["meta"]["replayed"] else reply["rows_affected"]


def test_a_batch_of_a_queue_is_one_record_behind_that_of_another(
    table: None, ask: Ask, at_another: Ask
) -> None:
    ask(**insert(1))
    at_another(**insert(2))

    answer = ask({"Records": [record(f"m{n}", insert(n)) for n in (2, 3, 100, 4)]})

    assert failed(answer) == ["m2", "m100"]
    assert numbers(ask) == [1, 2, 3, 4]
    assert ask(query="SELECT 1 FROM t")["meta"]["position"] == f"{4:016x}"


def test_a_transaction_of_a_libsql_client_is_one_record(
    table: None, ask: Ask, at_another: Ask
) -> None:
    stream = Client(token()).stream()

    stream.execute("BEGIN")
    stream.execute("INSERT INTO t VALUES (1)")
    at_another(query="CREATE TABLE u (n)")
    assert numbers(ask) == []
    stream.execute("INSERT INTO t VALUES (3)")
    stream.execute("COMMIT")

    assert numbers(ask) == [1, 3]


def test_each_statement_of_a_libsql_transaction_asks_once_and_its_commit_puts_once(
    table: None, ask: Ask, calls: Counter[str]
) -> None:
    stream = Client(token()).stream()
    stream.execute("BEGIN")
    costs = []
    for sql in (
        "SELECT count(*) FROM t",
        "INSERT INTO t VALUES (1)",
        "INSERT INTO t VALUES (3)",
        "COMMIT",
    ):
        calls.clear()
        stream.execute(sql)
        costs.append(dict(calls))

    # The first write is found out by a reader, and then run by a writer.
    assert costs == [{"Query": 1}, {"Query": 2}, {"Query": 1}, {"Query": 1, "PutItem": 1}]


def test_a_commit_of_a_libsql_client_that_was_overtaken_is_made_again(
    table: None, ask: Ask, at_another: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Client(token()).stream()
    stream.execute("BEGIN")
    stream.execute("INSERT INTO t VALUES (1)")
    between_question_and_append(monkeypatch, [lambda: at_another(query="CREATE TABLE u (n)")])

    stream.execute("COMMIT")

    assert numbers(ask) == [1]


def test_a_commit_of_a_libsql_client_that_is_overtaken_until_the_deadline_says_so(
    table: None, ask: Ask, at_another: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Client(token()).stream()
    stream.execute("BEGIN")
    stream.execute("INSERT INTO t VALUES (1)")
    with monkeypatch.context() as patch:

        def to_the_deadline() -> None:
            at_another(query="CREATE TABLE u (n)")
            patch.setattr(StreamDatabase, "check_deadline", passed)

        def passed(_database: StreamDatabase) -> None:
            raise Timeout("the deadline passed")

        between_question_and_append(patch, [to_the_deadline])
        with pytest.raises(AssertionError, match="COMMIT again, or roll back"):
            stream.execute("COMMIT")
    assert numbers(ask) == []
    stream.execute("COMMIT")
    assert numbers(ask) == [1]


def between_question_and_append(
    monkeypatch: pytest.MonkeyPatch, happens: list[Callable[[], object]]
) -> None:
    """Let something happen behind the next questions of a writer, before its append."""
    append = DynamoLog.append

    def appending(log: DynamoLog, commit_id: bytes, content: bytes) -> None:
        if happens:
            happens.pop()()
        append(log, commit_id, content)

    monkeypatch.setattr(DynamoLog, "append", appending)


def test_a_transaction_that_has_read_what_another_has_changed_is_refused(
    table: None, ask: Ask, at_another: Ask
) -> None:
    stream = Client(token()).stream()

    stream.execute("BEGIN")
    stream.execute("SELECT count(*) FROM t")
    stream.execute("INSERT INTO t VALUES (1)")
    at_another(**insert(2))

    with pytest.raises(AssertionError, match="database is locked"):
        stream.execute("COMMIT")
    assert numbers(ask) == [2]


def test_the_reaper_and_health_ask_for_no_leases(table: None, ask: Ask) -> None:
    ask(**insert(1), idempotency_key="k")

    report = reap(service(), Record("request", "schedule"), ends_at_s=time.time() + 60)
    health = ask(health=True)

    assert report["failures"] == []
    assert report["databases_reached"] == 1
    assert health["status"] == "ok"
    assert [each["name"] for each in health["databases"]] == ["main"]
    assert health["leases"] == []
    assert "leases" not in vars(service())


def test_a_table_that_is_not_there_is_a_named_error(
    ask: Ask, refused: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = os.environ["SQLATCH_LOG"].partition(",")[2]
    monkeypatch.setenv("SQLATCH_LOG", f"dynamodb:nothing,{bucket}")
    forget(service)

    for query in ("SELECT 1 FROM t", "CREATE TABLE t (n)"):
        error = refused(query=query)
        assert (error["code"], error["aws_code"]) == ("STORAGE_ERROR", "ResourceNotFoundException")
    assert ask(health=True)["status"] == "degraded"


@pytest.mark.parametrize("statement", ["SELECT n FROM t", "INSERT INTO t VALUES (7)"])
def test_a_fresh_process_loads_only_what_its_first_request_needs(
    table: None, statement: str
) -> None:
    loaded = loaded_after(first_request(statement), {})

    assert {"storage.log.dynamodb", "sqlatch.kernel.aws.dynamodb"} <= loaded
    assert loaded & UNWANTED == set()
    assert loaded & {
        "botocore.session", "http.client", "ssl", "ctypes", "locking.lease", "locking.leases",
        "locking.tables", "storage.inplace.engine", "storage.log.engine", "storage.log.directory",
        "storage.log.chain", "storage.log.segment",
    } == set()  # fmt: skip


def test_a_new_instance_tells_what_it_has_fetched_and_how_long_that_took(
    ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(query="CREATE TABLE t (n)")
    reap(service(), Record("reaper", "schedule"), ends_at_s=time.time() + 60)
    new = Service(service().settings)
    capsys.readouterr()

    for _ in range(2):
        with Logged(Record("new", "direct")) as line:
            new.answer(QueryEvent(query="SELECT n FROM t"), line, ends_at_s=time.time() + 60)
            new.note_work(line)
    new.close()

    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert first["bytes_fetched"] > 8_192
    assert first["HydrationMs"] == first["hydration_ms"] > 0
    assert {"HydrationMs", "bytes_fetched"}.isdisjoint(second)


def test_a_new_instance_asks_little_before_the_first_row_of_a_large_database(
    ask: Ask, calls: Counter[str], tmp_path: Path
) -> None:
    """The list, the header and the first block of the snapshot, and a block for each page."""
    large = tmp_path / "large.db"
    with closing(sqlite3.connect(large)) as connection, connection:
        connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, filling)")
        connection.executemany(
            "INSERT INTO t VALUES (?, ?)", ((n, random.randbytes(8_000)) for n in range(2_500))
        )
    service().databases.add("large", large)
    new = Service(service().settings)
    calls.clear()

    answer = new.answer(
        QueryEvent(query="SELECT n FROM t WHERE n = 2400", database="large"),
        Record("new", "direct"),
        ends_at_s=time.time() + 60,
    )
    new.close()

    assert answer["rows"] == [(2400,)]
    assert calls == {"Query": 3, "GetItem": 1, "GET": 5}
