"""Failures below DB-API: one exception with the cause, and never a commit twice."""

from collections.abc import Iterator

import pytest

from sqlatch import dbapi, failures
from sqlatch.errors import LeaderUnreachable
from tests.sqlatch import socket_server
from tests.sqlatch.conftest import connected
from tests.sqlatch.lambda_server import FUNCTION, Answer, LambdaServer
from tests.sqlatch.test_http_failures import FAILURES, answer, attempt_s, url_of
from tests.sqlatch.test_lambda_failures import LOST, MISHAPS, URL, lost

INSERT = "INSERT INTO t VALUES (1)"
BAD_URLS = ["", "nonsense", "lambda://f", "http://localhost/Main", "https://host/main?x=1"]


@pytest.fixture
def db(lambda_api: LambdaServer) -> Iterator[dbapi.Connection]:
    with connected(URL) as client:
        client.execute("CREATE TABLE t (n)")
        yield dbapi.Connection(client)


def count(db: dbapi.Connection) -> object:
    assert db._client is not None
    return db._client.query("SELECT count(*) FROM t").value()


@pytest.mark.parametrize("at_commit", [False, True])
@pytest.mark.parametrize("mishap", MISHAPS)
def test_a_mishap_is_an_operational_error_with_its_cause(
    db: dbapi.Connection, lambda_api: LambdaServer, mishap: str, *, at_commit: bool
) -> None:
    answer, kind = MISHAPS[mishap]
    if at_commit:
        db.execute(INSERT)
    lambda_api.mishaps = [answer] * 50

    with pytest.raises(dbapi.OperationalError) as failed:
        db.commit() if at_commit else db.execute(INSERT)
    asked = 50 - len(lambda_api.mishaps)
    lambda_api.mishaps = []
    db.rollback()

    assert type(failed.value.__cause__) is kind
    assert failed.value.sqlite_errorname == kind.code
    assert (asked > 1) is kind.retryable
    assert count(db) == 0
    db.execute(INSERT)
    db.commit()
    assert count(db) == 1


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_over_http_is_an_operational_error_with_its_cause(failure: str) -> None:
    bytes_, kind = FAILURES[failure]

    with (
        socket_server.running(bytes_) as server,
        connected(url_of(server), attempt_s=attempt_s(bytes_)) as client,
        pytest.raises(dbapi.OperationalError) as failed,
    ):
        dbapi.Connection(client).execute(INSERT)

    assert type(failed.value.__cause__) is kind
    assert failed.value.sqlite_errorname == kind.code


def test_an_error_of_the_contract_keeps_its_name_where_the_protocol_has_only_a_code() -> None:
    refused = answer(503, b'{"message":"no node leads","code":"LEADER_UNREACHABLE"}')
    with (
        socket_server.running(refused) as server,
        connected(url_of(server), attempt_s=1, timeout_s=1) as client,
        pytest.raises(dbapi.OperationalError, match="no node leads") as failed,
    ):
        dbapi.Connection(client).execute(INSERT)

    assert type(failed.value.__cause__) is LeaderUnreachable


@pytest.mark.parametrize("answer", LOST)
@pytest.mark.parametrize("is_autocommit", [False, True])
def test_what_is_committed_while_its_answer_is_lost_is_committed_once(
    db: dbapi.Connection, lambda_api: LambdaServer, answer: Answer, *, is_autocommit: bool
) -> None:
    db.autocommit = is_autocommit
    if not is_autocommit:
        db.execute(INSERT)
    lambda_api.mishaps = [lost(answer)] * 2

    db.execute(INSERT) if is_autocommit else db.commit()

    assert lambda_api.mishaps == []
    assert count(db) == 1


@pytest.mark.parametrize("url", BAD_URLS)
def test_a_bad_url_is_an_operational_error_before_any_call(url: str) -> None:
    with pytest.raises(dbapi.OperationalError) as failed:
        dbapi.connect(url, token="t")

    assert type(failed.value.__cause__) is failures.BadUrl


def test_an_unknown_function_is_an_operational_error(lambda_api: LambdaServer) -> None:
    with (
        connected(f"lambda://{FUNCTION}x/main") as client,
        pytest.raises(dbapi.OperationalError, match="Function not found") as failed,
    ):
        dbapi.Connection(client).execute("SELECT 1")

    assert type(failed.value.__cause__) is failures.FunctionNotFound
    assert len(lambda_api.paths) == 1
