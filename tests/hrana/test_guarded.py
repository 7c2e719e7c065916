"""Tokens at the libSQL door: each that is refused, on each path, leaves nothing behind."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from handler import local
from handler.service import service
from tests.conftest import forget
from tests.events.test_http import v1, v2
from tests.forge import PUBLIC, bearer
from tests.handler.test_permission import REFUSED, contents
from tests.hrana.client import execute

WRITE = "INSERT INTO t VALUES (1)"
WRITES = (WRITE, "CREATE TABLE u (n)", "VACUUM", "PRAGMA user_version = 7", "DELETE FROM t")


def bodies(sql: str) -> dict[str, Any]:
    """The requests that run a statement, by their paths."""
    batch = {"steps": [{"stmt": {"sql": sql}}]}
    return {
        "/v1/execute": {"stmt": {"sql": sql}},
        "/v1/batch": {"batch": batch},
        "/v2/pipeline": {"requests": [execute(sql)]},
        "/v3/pipeline": {"requests": [{"type": "sequence", "sql": sql}]},
        "/v3/cursor": {"batch": batch},
    }


@pytest.fixture
def guarded(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that has a key, and a table `t` in the databases `main` and `other`."""
    monkeypatch.setenv("SQLATCH_TOKEN_KEYS", PUBLIC)
    for database in ("main", "other"):
        local.invoke({"query": "CREATE TABLE t AS SELECT 0 AS n", "database": database})


def send(path: str, body: Any, token: str | None, payload: Any = v2) -> dict[str, Any]:
    headers = {} if token is None else {"Authorization": token}
    return local.invoke(payload("POST", path, json.dumps(body), headers=headers))


@pytest.mark.usefixtures("guarded")
@pytest.mark.parametrize("payload", [v1, v2])
@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_token_is_told_as_the_protocol_tells_it(
    name: str, payload: Any, directory: Path
) -> None:
    files = contents(directory)

    for database in ("/main", "/new"):
        for path, body in bodies(WRITE).items():
            answer = send(database + path, body, REFUSED[name](time.time()), payload)

            told = json.loads(answer["body"])
            assert (answer["statusCode"], told["code"]) == (401, "UNAUTHORIZED")
            assert sorted(told) == ["code", "message"]
            assert answer["headers"]["content-type"] == "application/json"
    assert contents(directory) == files
    assert service().held_leases() == []


@pytest.mark.usefixtures("guarded")
@pytest.mark.parametrize("sql", WRITES)
def test_a_service_that_only_reads_writes_on_no_path(
    sql: str, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = databases(directory)
    monkeypatch.setenv("SQLATCH_READ_ONLY", "true")
    forget(service)
    token = bearer(time.time())

    for path, body in bodies(sql).items():
        answer = send(f"/main{path}", body, token)

        assert "SQLITE_READONLY" in answer["body"], (path, answer)
    assert databases(directory) == files


@pytest.mark.usefixtures("guarded")
@pytest.mark.parametrize("sql", WRITES)
def test_a_token_that_only_reads_writes_on_no_path(sql: str, directory: Path) -> None:
    files = databases(directory)
    token = bearer(time.time(), access="ro")

    for path, body in bodies(sql).items():
        answer = send(f"/main{path}", body, token)

        assert "SQLITE_READONLY" in answer["body"], (path, answer)
    assert databases(directory) == files
    assert service().held_leases() == []


@pytest.mark.usefixtures("guarded")
def test_a_token_that_only_reads_makes_no_database(directory: Path) -> None:
    files = databases(directory)
    token = bearer(time.time(), access="ro")

    for path, body in bodies("CREATE TABLE t (n)").items():
        answer = send(f"/new{path}", body, token)

        assert "SQLITE_READONLY" in answer["body"], (path, answer)
    assert databases(directory) == files


@pytest.mark.usefixtures("guarded")
def test_a_token_that_only_reads_cannot_write_in_a_transaction(directory: Path) -> None:
    files = databases(directory)
    token = bearer(time.time(), access="ro")

    for begin in ("BEGIN", "BEGIN IMMEDIATE", "SAVEPOINT a"):
        statements = [begin, WRITE, "COMMIT" if begin.startswith("BEGIN") else "RELEASE a"]
        answer = send(
            "/main/v2/pipeline", {"requests": [execute(sql) for sql in statements]}, token
        )

        assert "SQLITE_READONLY" in answer["body"]
    assert databases(directory) == files
    assert service().held_leases() == []


@pytest.mark.usefixtures("guarded")
def test_a_token_is_for_its_databases_alone() -> None:
    token = bearer(time.time(), databases=["other"])

    for path, body in bodies("SELECT n FROM t").items():
        assert send(f"/other{path}", body, token)["statusCode"] == 200
        assert send(f"/main{path}", body, token)["statusCode"] == 401
        assert send(path, body, token)["statusCode"] == 400


@pytest.mark.usefixtures("guarded")
def test_a_stream_stays_with_the_token_that_opened_it(directory: Path) -> None:
    writer, reader = bearer(time.time()), bearer(time.time(), access="ro")
    requests = [execute("BEGIN"), execute(WRITE)]
    opened = json.loads(send("/main/v2/pipeline", {"requests": requests}, writer)["body"])
    files = databases(directory)

    body = {"baton": opened["baton"], "requests": [execute("COMMIT")]}
    taken = send("/main/v2/pipeline", body, reader)

    assert opened["baton"]
    assert taken["statusCode"] in {400, 401}
    assert databases(directory) == files
    assert send("/main/v2/pipeline", body, writer)["statusCode"] == 200
    assert databases(directory) != files


@pytest.mark.usefixtures("guarded")
def test_the_door_asks_for_tokens_whoever_guards_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert service().settings.http_auth == "none"
    assert send("/main/v2/pipeline", bodies(WRITE)["/v2/pipeline"], None)["statusCode"] == 401

    monkeypatch.delenv("SQLATCH_TOKEN_KEYS")
    service().close()
    service.cache_clear()
    closed = send("/main/v2/pipeline", bodies(WRITE)["/v2/pipeline"], bearer(time.time()))

    assert closed["statusCode"] == 401
    assert "SQLATCH_TOKEN_KEYS: no key is set" in closed["body"]


def databases(directory: Path) -> dict[str, bytes]:
    """The content of the databases, without what streams and leases leave beside them."""
    found = {}
    for name in service().databases.names():
        copy = directory.with_name("copied.db")
        copy.unlink(missing_ok=True)
        service().databases.get(name).copy_out(copy, time.time() + 60)
        found[name] = copy.read_bytes()
    return found
