"""Every entry point on databases that are logs of their transactions."""

import json
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from events.request import QueryEvent
from handler.reaper import reap
from handler.record import Record
from handler.service import Service, service
from locking.lease import GRACE_S, Claim
from storage.work import Work
from tests.conftest import Ask, forget
from tests.handler.test_costs import UNWANTED, first_request, loaded_after
from tests.handler.test_messages import failed, insert, record
from tests.hrana.client import Client
from tests.hrana.conftest import PUBLIC, token
from tests.storage.log.logs import counted_calls


@pytest.fixture(autouse=True)
def logs(environment: dict[str, str], directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of the logs; there is none of files."""
    monkeypatch.delenv("SQLATCH_DATABASES", raising=False)
    monkeypatch.setenv("SQLATCH_LOG", f"directory:{directory}")
    copies = directory.with_name("copies")
    copies.mkdir(exist_ok=True)
    monkeypatch.setenv("SQLATCH_COPIES", str(copies))
    monkeypatch.setenv("SQLATCH_TOKEN_KEYS", PUBLIC)
    return directory


@pytest.fixture
def table(ask: Ask) -> None:
    ask(query="CREATE TABLE t (n UNIQUE CHECK (n < 100))")


def numbers(ask: Ask) -> list[Any]:
    return [n for (n,) in ask(query="SELECT n FROM t ORDER BY n")["rows"]]


def segments(logs: Path, name: str = "main") -> int:
    return len(list((logs / name / "log").glob("*.seg")))


def die_with_the_lease(name: str) -> None:
    past_s = time.time() - 60
    service().leases._table.take(Claim(name, str(uuid4()), "killed", past_s, past_s + GRACE_S))


def test_each_write_has_a_position_and_a_read_that_of_what_it_saw(table: None, ask: Ask) -> None:
    first = ask(**insert(1))["meta"]["position"]
    second = ask(**insert(2), idempotency_key="once")["meta"]["position"]
    again = ask(**insert(2), idempotency_key="once")["meta"]

    assert (first, second) == (f"{2:016x}", f"{3:016x}")
    assert again["replayed"] is True
    assert ask(query="SELECT 1 FROM t")["meta"]["position"] == second
    assert numbers(ask) == [1, 2]


def test_a_read_and_a_write_wait_for_a_position_until_the_deadline(
    table: None, ask: Ask, refused: Ask
) -> None:
    position = ask(**insert(1))["meta"]["position"]
    future = f"{int(position, 16) + 1:016x}"

    assert ask(query="SELECT 1 FROM t", at_least=position)["rows"] == [[1]]
    assert ask(**insert(2), at_least=position)["meta"]["position"] == future
    told = {"at_least": "f" * 16, "position": future}
    for request in ({"query": "SELECT 1"}, insert(3), {"query": "VACUUM"}):
        for _time in ("new", "known"):
            error = refused(**request, at_least="f" * 16, timeout_ms=150)
            assert (error["code"], error | told) == ("TIMEOUT", error)

    assert numbers(ask) == [1, 2]
    assert refused(**insert(1), at_least=future, database="none")["code"] == "DATABASE_NOT_FOUND"


def test_nobody_waits_for_a_position_under_the_lease(table: None, ask: Ask, refused: Ask) -> None:
    with service().writing("main", Record("other", "direct"), time.time() + 60):
        for _time in ("new", "known"):
            error = refused(**insert(3), at_least="f" * 16, timeout_ms=150)
            assert "position" in error


def test_a_warm_read_is_one_question_to_the_log_and_one_that_may_be_older_none(
    table: None, ask: Ask
) -> None:
    for age, expected in ((None, 1), (0, 1), (60_000, 0)):
        ask(query="SELECT n FROM t")
        with counted_calls() as calls:
            assert ask(query="SELECT n FROM t", max_age_ms=age)["rows"] == []
        assert len(calls) == expected


def test_a_libsql_client_asks_the_log_as_often_as_a_direct_caller(table: None, ask: Ask) -> None:
    def pipeline(sql: str) -> Any:
        requests = [{"type": "execute", "stmt": {"sql": sql}}, {"type": "close"}]
        return ask({"pipeline": {"requests": requests}})["results"][0]["type"]

    asked = {}
    for sql in ("SELECT n FROM t", "INSERT INTO t VALUES (NULL)"):
        for name, call in (("direct", lambda sql: ask(query=sql)), ("libSQL", pipeline)):
            call(sql)
            with counted_calls() as calls:
                assert call(sql) != "error"
            asked[name, sql[:6]] = calls

    assert asked["libSQL", "SELECT"] == asked["direct", "SELECT"] == ["pread"]
    assert asked["libSQL", "INSERT"] == asked["direct", "INSERT"] == ["pread", "pwrite", "statx"]


def test_a_libsql_client_is_told_of_positions_in_headers(
    table: None, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def post(sql: str, **headers: str) -> tuple[int, str | None]:
        statement = {"requests": [{"type": "execute", "stmt": {"sql": sql}}, {"type": "close"}]}
        answer = ask({
            "version": "2.0",
            "rawPath": "/main/v3/pipeline",
            "headers": {"authorization": f"Bearer {token()}", **headers},
            "requestContext": {"http": {"method": "POST"}, "stage": "$default"},
            "body": json.dumps(statement),
            "isBase64Encoded": False,
        })  # fmt: skip
        return answer["statusCode"], answer["headers"].get("sqlatch-position")

    def at_least(position: str) -> dict[str, str]:
        return {"Sqlatch-At-Least": position}

    wrote = post("INSERT INTO t VALUES (1)", **at_least("0" * 16))
    position = ask(query="SELECT n FROM t")["meta"]["position"]
    assert wrote == (200, position)
    assert post("SELECT n FROM t", **at_least(position)) == (200, position)
    assert post("VACUUM")[1] == f"{int(position, 16) + 1:016x}"
    assert post("SELECT n FROM t", **at_least("12")) == (400, None)
    monkeypatch.setenv("SQLATCH_TIMEOUT_MS", "300")
    forget(service)
    other = Service(service().settings)
    event = QueryEvent(query="DELETE FROM t WHERE n = 9")
    other.answer(event, Record("other", "direct"), ends_at_s=time.time() + 60)
    other.close()
    assert post("INSERT INTO t VALUES (2)", **at_least("f" * 16)) == (504, None)
    assert service().databases.work() == Work(), "it was noted with the request that failed"
    assert numbers(ask) == [1]


def test_a_reply_that_is_given_again_has_the_position_of_a_state_with_its_write(
    table: None, ask: Ask
) -> None:
    """At another instance too, which need not read before it writes a statement it knows."""
    other = Service(service().settings)

    def at_the_other(n: int, key: str) -> dict[str, Any]:
        event = QueryEvent(**insert(n), idempotency_key=key)
        return other.answer(event, Record("other", "direct"), ends_at_s=time.time() + 60)

    at_the_other(1, "first")
    wrote = ask(**insert(2), idempotency_key="second")["meta"]
    again = at_the_other(2, "second")["meta"]
    other.close()

    assert again["replayed"] is True
    assert again["position"] == wrote["position"]


def test_an_old_schema_refuses_nothing(table: None, ask: Ask, logs: Path) -> None:
    """The copy was just checked; then another instance makes a table."""
    ask(query="SELECT 1 FROM t")
    other = Service(service().settings)
    other.answer(
        QueryEvent("CREATE TABLE u (n)"), Record("other", "direct"), ends_at_s=time.time() + 60
    )
    other.close()

    assert ask(query="INSERT INTO u VALUES (1)", max_age_ms=60_000)["rows_affected"] == 1


def test_a_message_of_a_queue_cannot_wait_for_a_position(table: None, ask: Ask) -> None:
    message = insert(1) | {"at_least": "0" * 16}

    assert failed(ask({"Records": [record("m1", message), record("m2", insert(2))]})) == ["m1"]
    assert numbers(ask) == [2]


def test_databases_in_files_have_no_positions(
    ask: Ask, refused: Ask, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SQLATCH_LOG")
    monkeypatch.setenv("SQLATCH_DATABASES", str(logs))
    forget(service)
    ask(query="CREATE TABLE t (n)")

    error = refused(query="SELECT n FROM t", at_least="0" * 16)
    assert (error["code"], error["field"]) == ("BAD_EVENT", "at_least")
    assert "here databases are files" in error["message"]
    ask(**insert(1), max_age_ms=60_000)
    assert ask(query="SELECT n FROM t", max_age_ms=60_000)["rows"] == [[1]]


def test_over_http_positions_are_headers_too(table: None, ask: Ask) -> None:
    def post(path: str, header: str, **fields: Any) -> dict[str, Any]:
        return ask({
            "version": "2.0",
            "rawPath": path,
            "headers": {"Sqlatch-At-Least": header},
            "requestContext": {"http": {"method": "POST"}, "stage": "$default"},
            "body": json.dumps(fields),
            "isBase64Encoded": False,
        })  # fmt: skip

    wrote = post("/query", "0" * 16, **insert(1))
    position = wrote["headers"]["sqlatch-position"]
    assert json.loads(wrote["body"])["meta"]["position"] == position

    read = post("/read", position, query="SELECT n FROM t")
    assert (read["statusCode"], read["headers"]["sqlatch-position"]) == (200, position)
    late = post("/read", "f" * 16, query="SELECT n FROM t", timeout_ms=150)
    assert (late["statusCode"], json.loads(late["body"])["error"]["position"]) == (504, position)
    own = post("/read", "f" * 16, query="SELECT n FROM t", at_least=position)
    assert own["statusCode"] == 200, "the field of the body counts"
    assert post("/read", "12", query="SELECT n FROM t")["statusCode"] == 400


def test_the_log_line_tells_what_a_request_has_done_in_the_log(
    table: None, ask: Ask, refused: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Service(service().settings)
    for n in (1, 2):
        event = QueryEvent(**insert(n))
        other.answer(event, Record("other", "direct"), ends_at_s=time.time() + 60)
    other.close()
    capsys.readouterr()

    ask(query="SELECT n FROM t")
    ask(**insert(3))
    refused(**insert(100))
    ask({"Records": [record("m4", insert(4)), record("m5", insert(5))]})
    Client(token()).stream().execute("INSERT INTO t VALUES (6)")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    counts = [(line.get("records_applied"), line.get("attempts")) for line in lines]
    assert counts == [(2, None), (None, 1), (None, None), (None, 1), (None, 1)]
    for line in lines:
        assert (100 < line.get("bytes_shipped", 0) < 10_000) == ("attempts" in line)
        assert len(line.get("position", "0" * 16)) == 16


def test_a_request_that_is_refused_leaves_no_record(table: None, ask: Ask, refused: Ask) -> None:
    before = ask(query="SELECT 1 FROM t")["meta"]["position"]

    assert refused(statements=[insert(1), insert(1)])["code"] == "CONSTRAINT"
    assert refused(query="SELECT 1 FROM t", database="none")["code"] == "DATABASE_NOT_FOUND"
    assert refused(query="INSERT INTO nothing VALUES (1)", database="new")["code"] == (
        "STATEMENT_ERROR"
    )

    assert ask(query="SELECT 1 FROM t")["meta"]["position"] == before
    assert [each["name"] for each in ask(health=True)["databases"]] == ["main"]


def test_a_batch_of_a_queue_is_one_record(table: None, ask: Ask) -> None:
    before = int(ask(query="SELECT 1 FROM t")["meta"]["position"], 16)

    answer = ask({"Records": [record(f"m{n}", insert(n)) for n in (1, 2, 100, 3)]})

    assert failed(answer) == ["m100"]
    assert numbers(ask) == [1, 2, 3]
    assert int(ask(query="SELECT 1 FROM t")["meta"]["position"], 16) == before + 1


def test_a_transaction_of_a_libsql_client_is_one_record(table: None, ask: Ask) -> None:
    stream = Client(token()).stream()
    before = int(ask(query="SELECT 1 FROM t")["meta"]["position"], 16)

    stream.execute("BEGIN")
    stream.execute("INSERT INTO t VALUES (1)")
    assert numbers(ask) == []
    stream.execute("INSERT INTO t VALUES (2)")
    stream.execute("COMMIT")

    assert numbers(ask) == [1, 2]
    assert int(ask(query="SELECT 1 FROM t")["meta"]["position"], 16) == before + 1


def test_a_vacuum_is_a_commit(table: None, ask: Ask) -> None:
    ask(**insert(1))
    assert ask(query="VACUUM")["meta"]["wrote"] is True
    assert numbers(ask) == [1]


def test_another_instance_reads_what_was_written_and_writes_behind_it(
    table: None, ask: Ask
) -> None:
    ask(**insert(1))
    forget(service)
    ask(**insert(2))

    assert numbers(ask) == [1, 2]


def test_who_takes_a_lease_over_seals_the_log_before_anything_else(
    table: None, logs: Path, ask: Ask, refused: Ask
) -> None:
    """A request that is refused gives the lease back, and then nobody would know."""
    die_with_the_lease("main")

    assert refused(query="INSERT INTO t VALUES (100)")["code"] == "CONSTRAINT"

    assert segments(logs) == 2
    ask(**insert(1))
    assert segments(logs) == 2


def test_the_reaper_seals_and_then_gives_the_lease_back(table: None, logs: Path, ask: Ask) -> None:
    die_with_the_lease("main")
    die_with_the_lease("never-was")

    report = reap(service(), Record("request", "schedule"), ends_at_s=time.time() + 60)

    assert sorted(report["leases_reaped"]) == ["main", "never-was"]
    assert report["failures"] == []
    assert segments(logs) == 2
    assert ask(health=True)["leases"] == []


def test_a_writer_that_was_cleared_while_it_slept_writes_nothing(
    table: None, logs: Path, ask: Ask, refused: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease's time is not looked at: the seal alone must hold."""
    the_service = service()
    monkeypatch.setattr("locking.lease.Lease.check", lambda _self: None)
    take = the_service.leases._table.take

    def sleep_past_it(claim: Claim) -> Any:
        taken = take(claim)
        past_s = time.time() - 60
        the_service.leases._table.give_back("main", claim.lock_id)
        other = Claim("main", str(uuid4()), "other", past_s, past_s + GRACE_S)
        take(other)
        return taken

    with monkeypatch.context() as patch:
        patch.setattr(the_service.leases._table, "take", sleep_past_it)
        with the_service.writing("main", Record("zombie", "direct"), time.time() + 60) as late:
            patch.undo()
            monkeypatch.setattr("locking.lease.Lease.check", lambda _self: None)
            ask(**insert(1))
            database = the_service.databases.get("main")
            with pytest.raises(Exception, match="another writer has gone on"):
                database.purge_records(time.time(), late)

    assert numbers(ask) == [1]


def test_a_function_that_only_reads_reads(
    table: None, ask: Ask, refused: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(**insert(1))
    monkeypatch.setenv("SQLATCH_READ_ONLY", "true")
    forget(service)

    assert numbers(ask) == [1]
    assert refused(**insert(2))["code"] == "READ_ONLY"


def test_a_fresh_process_that_reads_loads_no_leases_and_nothing_of_the_reaper(
    table: None, ask: Ask
) -> None:
    ask(**insert(1))
    forget(service)

    loaded = loaded_after(first_request("SELECT n FROM t"), {})

    assert {"storage.log.directory", "storage.log.ltx"} <= loaded
    assert loaded & UNWANTED == set()
    assert loaded & {"locking.lease", "locking.leases", "storage.log.dynamodb"} == set()
