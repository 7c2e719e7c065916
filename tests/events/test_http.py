"""The HTTP door, both payload versions: routes, bodies, headers, statuses."""

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from events.http import ROUTES, STATUS, accepts
from sqlatch.kernel import errors
from tests.conftest import Ask
from tests.faults.machine import Time


def v2(method: str, path: str, body: str | None = None, **more: Any) -> dict[str, Any]:
    headers = more.pop("headers", {})
    stage = more.pop("stage", "$default")
    return {
        "version": "2.0",
        "rawPath": path,
        "headers": headers,
        "requestContext": {"http": {"method": method, "path": path}, "stage": stage},
        "body": body,
        "isBase64Encoded": False,
        **more,
    }


def v1(method: str, path: str, body: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "httpMethod": method,
        "path": path,
        "headers": more.pop("headers", None),
        "requestContext": {"stage": "prod"},
        "body": body,
        "isBase64Encoded": False,
        **more,
    }


def error_of(answer: dict[str, Any]) -> tuple[int, str, str]:
    error = json.loads(answer["body"])["error"]
    return answer["statusCode"], error["code"], error["message"]


@pytest.mark.parametrize("payload", [v1, v2])
def test_a_query_comes_and_goes_as_json(payload: Any, ask: Ask) -> None:
    ask(payload("POST", "/query", '{"query": "CREATE TABLE t (n)"}'))
    answer = ask(payload("POST", "/query", '{"query": "SELECT 1 AS one"}'))

    assert answer["statusCode"] == 200
    assert answer["headers"]["content-type"] == "application/json"
    body = json.loads(answer["body"])
    assert (body["columns"], body["rows"]) == (["one"], [[1]])


@pytest.mark.parametrize("payload", [v1, v2])
def test_a_body_may_be_base64(payload: Any, ask: Ask) -> None:
    ask(query="CREATE TABLE t (n)")
    body = base64.b64encode(b'{"query": "SELECT 2"}').decode()

    answer = ask(payload("POST", "/query", body, isBase64Encoded=True))

    assert json.loads(answer["body"])["rows"] == [[2]]


NOT_UNICODE = {
    "a byte that no text has": b'{"query": "INSERT INTO t VALUES (?)", "parameters": ["caf\xe9"]}',
    "half a surrogate pair": b'{"query": "INSERT INTO t VALUES (\'\xed\xa0\x80\')"}',
    "half a surrogate pair, escaped": b'{"query": "INSERT INTO t VALUES (\'\\ud800\')"}',
    "half a surrogate pair as a value": b'{"query": "INSERT INTO t VALUES (?)",'
    b' "parameters": ["\\ud800"]}',
    "in a key": b'{"query": "INSERT INTO t VALUES (1)", "idempotency_key": "caf\xe9"}',
}


@pytest.mark.parametrize("encoding", ["text", "base64"])
@pytest.mark.parametrize("payload", [v1, v2])
@pytest.mark.parametrize("name", NOT_UNICODE)
def test_a_text_that_is_not_unicode_is_refused_and_not_stored(
    name: str, payload: Any, encoding: str, ask: Ask
) -> None:
    ask(query="CREATE TABLE t (n)")
    body = NOT_UNICODE[name]
    if encoding == "base64":
        text = base64.b64encode(body).decode()
    else:
        text = body.decode("utf-8", "surrogateescape")

    answer = ask(payload("POST", "/query", text, isBase64Encoded=encoding == "base64"))

    assert error_of(answer)[:2] == (400, "BAD_EVENT"), answer
    assert ask(query="SELECT * FROM t")["rows"] == []


def test_the_stage_is_no_part_of_the_path(ask: Ask) -> None:
    ask(query="CREATE TABLE t (n)")

    assert ask(v2("GET", "/dev/health", stage="dev"))["statusCode"] == 200


@pytest.mark.parametrize(
    ("route", "method"), [(route, one) for route, methods in ROUTES.items() for one in methods]
)
@pytest.mark.parametrize("database", ["main", "v2"])
def test_a_route_that_is_open_for_others_leads_nowhere(
    route: str, method: str, database: str, ask: Ask
) -> None:
    ask(query="CREATE TABLE t (n)", database=database)
    path = route.format(database=database)
    body = json.dumps({"query": "SELECT 1", "database": database})

    parts = {"rawQueryString": "query=SELECT+1"} if path.endswith("/read") else {}
    if route == "/read":
        parts["rawQueryString"] += f"&database={database}"
    for key, status in ((f"{method} {route}", 200), (f"{method} /{{libsql+}}", 404)):
        assert ask(v2(method, path, body, routeKey=key, **parts))["statusCode"] == status


def test_read_refuses_writes(ask: Ask) -> None:
    ask(query="CREATE TABLE t (n)")
    write = v2("POST", "/read", '{"query": "DELETE FROM t", "read_only": false}')

    assert error_of(ask(write))[:2] == (403, "READ_ONLY")
    assert ask(v2("POST", "/read", '{"query": "SELECT 1"}'))["statusCode"] == 200


@pytest.mark.parametrize("payload", [v1, v2])
@pytest.mark.parametrize("named", [{}, {"database": "orders"}], ids=["path", "path and body"])
def test_the_database_may_stand_in_the_path(named: dict[str, str], payload: Any, ask: Ask) -> None:
    create = json.dumps({"query": "CREATE TABLE t (n)", **named})
    write = json.dumps({"query": "INSERT INTO t VALUES (1)", **named})
    read = json.dumps({"query": "SELECT * FROM t", **named})

    assert ask(payload("POST", "/orders/query", create))["statusCode"] == 200
    assert ask(payload("POST", "/orders/query", write))["statusCode"] == 200
    assert error_of(ask(payload("POST", "/orders/read", write)))[:2] == (403, "READ_ONLY")
    assert json.loads(ask(payload("POST", "/orders/read", read))["body"])["rows"] == [[1]]

    assert ask(query="SELECT * FROM t", database="orders")["rows"] == [[1]]
    assert error_of(ask(payload("POST", "/read", '{"query": "SELECT 1"}')))[0] == 404, "no main"


@pytest.mark.parametrize(
    ("path", "named", "message"),
    [
        ("/orders/query", "main", "the path is for database 'orders', and the body names 'main'"),
        ("/orders/query", "Orders", "the path is for database 'orders'"),
        ("/orders/query", None, "the path is for database 'orders', and the body names None"),
        ("/orders/query", ["orders"], "the path is for database 'orders'"),
        ("/Orders/query", "Orders", "database"),
        ("/orders*/query", "orders*", "database"),
        ("/{database}/query", "{database}", "database"),
        ("/../query", "..", "database"),
        ("/%6frders/query", "orders", "the path is for database '%6frders'"),
        ("/%6frders/query", "%6frders", "database"),
    ],
)
def test_a_path_for_one_database_leads_to_no_other(
    path: str, named: Any, message: str, ask: Ask, directory: Path
) -> None:
    body = json.dumps({"query": "CREATE TABLE t (n)", "database": named})

    for each in (path, path.replace("query", "read")):
        status, code, said = error_of(ask(v2("POST", each, body)))

        assert (status, code) == (400, "BAD_EVENT")
        assert message in said
    assert list(directory.glob("*.db")) == []


@pytest.mark.parametrize(
    "path",
    [
        *("/a/b/query", "//orders/query", "/orders/query/", "/orders//query", "//query"),
        *("/orders\n/query", "/orders/query\n", "/orders/health", "/orders/QUERY"),
    ],
)
def test_no_other_path_is_one_for_a_database(path: str, ask: Ask) -> None:
    ask(query="CREATE TABLE t (n)", database="orders")

    answer = ask(v2("POST", path, '{"query": "SELECT 1"}'))

    assert error_of(answer)[1] == "BAD_EVENT", answer


def test_the_idempotency_key_may_come_as_a_header(ask: Ask) -> None:
    ask(query="CREATE TABLE t (n)")
    event = v2(
        "POST", "/query", '{"query": "INSERT INTO t VALUES (1)"}', headers={"Idempotency-Key": "k"}
    )

    answers = [json.loads(ask(event)["body"])["meta"]["replayed"] for _try in range(2)]

    assert answers == [False, True]
    assert ask(query="SELECT count(*) FROM t")["rows"] == [[1]]


def test_a_long_reply_is_packed_for_clients_that_take_it(ask: Ask) -> None:
    ask(query="CREATE TABLE t (n)")
    body = json.dumps({"query": "SELECT hex(zeroblob(5000))"})
    plain = ask(v2("POST", "/query", body))
    packed = ask(v2("POST", "/query", body, headers={"Accept-Encoding": "br, gzip"}))
    short = ask(v2("POST", "/query", '{"query": "SELECT 1"}', headers={"accept-encoding": "gzip"}))

    assert packed["headers"]["content-encoding"] == "gzip"
    assert packed["isBase64Encoded"]
    unpacked = json.loads(gzip.decompress(base64.b64decode(packed["body"])))
    assert unpacked["rows"] == json.loads(plain["body"])["rows"]
    assert len(packed["body"]) < len(plain["body"]) / 10
    assert "content-encoding" not in short["headers"]


@pytest.mark.parametrize("rows_as", ["arrays", "objects"])
@pytest.mark.parametrize("header", ["identity", "gzip"])
def test_a_long_reply_is_the_same_over_http_and_direct_and_when_it_is_kept(
    header: str, rows_as: str, ask: Ask
) -> None:
    ask(query="CREATE TABLE t (n, real, text, blob)")
    insert = {
        "query": "INSERT INTO t VALUES (?, ?, ?, x'00ff') RETURNING *, n",
        "parameter_sets": [[n, {"real": "Infinity"}, '"\\é'] for n in range(3_000)],
        "rows_as": rows_as,
        "idempotency_key": "k",
    }
    post = v2("POST", "/query", json.dumps(insert), headers={"accept-encoding": header})

    answers = []
    for _try in range(2):
        answer = ask(post)
        body = answer["body"]
        answers.append(gzip.decompress(base64.b64decode(body)) if header == "gzip" else body)
    over_http, again = map(json.loads, answers)
    directly = ask(insert)

    assert len(over_http["rows"]) == 3_000
    metas = [reply.pop("meta")["replayed"] for reply in (over_http, again, directly)]
    assert metas == [False, True, True]
    assert over_http == again == json.loads(json.dumps(directly))
    assert (over_http["rows_affected"], over_http["last_insert_rowid"]) == (3_000, 3_000)


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("gzip", True),
        ("GZIP;q=0.5", True),
        ("*", True),
        ("", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip; q=0.0, br", False),
    ],
)
def test_gzip_is_used_only_where_the_client_takes_it(header: str, *, taken: bool) -> None:
    assert accepts({"accept-encoding": header}) is taken


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (v2("POST", "/nope", "{}"), (404, "BAD_EVENT", "no such path")),
        (v2("GET", "/query"), (405, "BAD_EVENT", "send POST to /query")),
        (v2("POST", "/health", "{}"), (405, "BAD_EVENT", "send GET to /health")),
        (v1("DELETE", "/read"), (405, "BAD_EVENT", "send POST or GET or HEAD to /read")),
        (v2("POST", "/query"), (400, "BAD_EVENT", "the body is empty")),
        (v2("POST", "/query", ""), (400, "BAD_EVENT", "the body is empty")),
        (v2("POST", "/query", "{"), (400, "BAD_EVENT", "the body is not JSON")),
        (v2("POST", "/query", "[]"), (400, "BAD_EVENT", "not a JSON object")),
        (v2("POST", "/query", '{"query": NaN}'), (400, "BAD_EVENT", "not JSON")),
        (v2("POST", "/query", "%", isBase64Encoded=True), (400, "BAD_EVENT", "not base64")),
        (v2("POST", "/query", '{"health": true}'), (400, "BAD_EVENT", "GET /health")),
        (v2("POST", "/qeury", "{}"), (404, "BAD_EVENT", "/health; did you mean /query?")),
        (v2("POST", "/query", "x" * (6 * 2**20 + 1)), (413, "BAD_EVENT", "the limit is 6,291,456")),
        (v2("POST", "/query", "\udcff"), (400, "BAD_EVENT", "not Unicode")),
        (v2("POST", "/query", '{"query": "SELECT"}'), (404, "DATABASE_NOT_FOUND", "")),
        ({"requestContext": None}, (404, "BAD_EVENT", "no such path")),
        ({"requestContext": {"http": None}, "headers": 1}, (404, "BAD_EVENT", "no such path")),
    ],
)
def test_a_bad_request_gets_a_status_and_our_error_body(
    event: dict[str, Any], expected: tuple[int, str, str], ask: Ask
) -> None:
    status, code, message = error_of(ask(event))

    assert (status, code) == expected[:2]
    assert expected[2] in message


def test_an_error_that_may_pass_says_when_to_come_again(
    stopped_time: Time, ask: Ask, the_service: Any
) -> None:
    ask(query="CREATE TABLE t (n)")
    deadline_s = the_service.clock.now() + 60
    with the_service.leases.hold("main", holder="somebody", deadline_s=deadline_s):
        answer = ask(v2("POST", "/query", '{"query": "DELETE FROM t"}'))

    assert error_of(answer)[:2] == (503, "LEASE_BUSY")
    assert answer["headers"]["retry-after"] == "1"
    error = json.loads(answer["body"])["error"]
    assert (error["holder"], error["retryable"]) == ("somebody", True)


def test_every_code_has_a_status() -> None:
    codes = {error.code for error in errors.kinds()}

    assert set(STATUS) == codes
