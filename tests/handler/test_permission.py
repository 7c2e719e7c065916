"""Tokens in front of the HTTP door: who gets in, and that a refusal leaves nothing behind."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from handler.service import service
from tests.conftest import Ask
from tests.events.test_http import error_of, v1, v2
from tests.forge import LEFT_OUT, OTHER_PRIVATE, PUBLIC, bearer, by_hand, claims

Post = Callable[..., dict[str, Any]]

WRITE = '{"query": "INSERT INTO t VALUES (1)", "database": "main"}'
MAKES_A_DATABASE = '{"query": "CREATE TABLE t (n)", "database": "other"}'
READ = '{"query": "SELECT count(*) AS n FROM t"}'


@pytest.fixture
def post(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> Post:
    """Send a body with a header to a service that asks for tokens, and has a table `t`."""
    monkeypatch.setenv("SQLATCH_TOKEN_KEYS", PUBLIC)
    monkeypatch.setenv("SQLATCH_HTTP_AUTH", "token")
    ask(query="CREATE TABLE t (n)")

    def post(body: str, token: str | None, path: str = "/query", payload: Any = v2) -> Any:
        headers = {"Authorization": token} if token is not None else {}
        return ask(payload("POST", path, body, headers=headers))

    return post


REFUSED: dict[str, Callable[[float], str | None]] = {
    "missing": lambda now_s: None,
    "malformed": lambda now_s: "Bearer token",
    "expired": lambda now_s: bearer(now_s - 3_600),
    "not yet valid": lambda now_s: bearer(now_s, nbf=now_s + 3_600),
    "no exp": lambda now_s: bearer(now_s, exp=LEFT_OUT),
    "wrong key": lambda now_s: bearer(now_s, key=OTHER_PRIVATE),
    "alg none": lambda now_s: by_hand({"alg": "none"}, claims(now_s)),
    "the public key as a secret": lambda now_s: by_hand(
        {"alg": "HS256"}, claims(now_s), secret=PUBLIC
    ),
    "for another database": lambda now_s: bearer(now_s, databases=["another"]),
    "very long": lambda now_s: "Bearer " + "x" * 100_000,
}


@pytest.mark.parametrize("payload", [v1, v2])
@pytest.mark.parametrize("body", [WRITE, MAKES_A_DATABASE], ids=["write", "create"])
@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_token_writes_nothing_and_leaves_no_lease(
    name: str, body: str, payload: Any, post: Post, directory: Path
) -> None:
    files = contents(directory)

    answer = post(body, REFUSED[name](time.time()), payload=payload)

    assert error_of(answer)[:2] == (401, "UNAUTHORIZED")
    assert answer["headers"]["www-authenticate"] == "Bearer"
    assert contents(directory) == files
    assert service().leases.held() == []


@pytest.mark.parametrize("body", [WRITE, MAKES_A_DATABASE], ids=["write", "create"])
def test_a_token_that_only_reads_is_read_only(body: str, post: Post, directory: Path) -> None:
    files = contents(directory)
    token = bearer(time.time(), access="ro")

    answer = post(body, token)

    assert error_of(answer)[:2] == (403, "READ_ONLY")
    assert contents(directory) == files
    assert service().leases.held() == []
    assert json.loads(post(READ, token)["body"])["rows"] == [[0]]


@pytest.mark.parametrize("payload", [v1, v2])
def test_a_token_that_writes_writes(payload: Any, post: Post) -> None:
    token = bearer(time.time(), databases=["main"])

    assert post(WRITE, token, payload=payload)["statusCode"] == 200
    assert json.loads(post(READ, token, "/read")["body"])["rows"] == [[1]]
    assert error_of(post(WRITE, token, "/read"))[:2] == (403, "READ_ONLY")


def test_a_token_for_other_databases_does_not_read_either(post: Post) -> None:
    answer = post(READ, bearer(time.time(), databases=["another"]), "/read")

    assert error_of(answer) == (401, "UNAUTHORIZED", "the token is not for database 'main'")


def test_a_write_that_was_made_is_not_told_again_to_who_only_reads(post: Post) -> None:
    write = json.dumps({**json.loads(WRITE), "idempotency_key": "k"})
    assert post(write, bearer(time.time()))["statusCode"] == 200

    answer = post(write, bearer(time.time(), access="ro"))

    assert error_of(answer)[:2] == (403, "READ_ONLY")


def test_health_names_every_database_and_so_takes_a_token_for_all(post: Post, ask: Ask) -> None:
    def health(token: str | None) -> dict[str, Any]:
        return ask(v2("GET", "/health", headers={"authorization": token} if token else {}))

    assert health(bearer(time.time(), access="ro"))["statusCode"] == 200
    assert error_of(health(bearer(time.time(), databases=["main"])))[0] == 401
    assert error_of(health(None))[0] == 401


def test_who_has_no_token_learns_nothing_of_paths_and_bodies(post: Post) -> None:
    assert error_of(post("{", None))[0] == 401
    assert error_of(post(READ, None, "/nothing"))[0] == 401
    assert error_of(post("{", bearer(time.time())))[0] == 400
    assert error_of(post(READ, bearer(time.time()), "/nothing"))[0] == 404


def test_without_a_key_the_door_is_closed(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SQLATCH_TOKEN_KEYS")
    service().close()
    service.cache_clear()

    answer = post(READ, bearer(time.time()))

    message = "SQLATCH_TOKEN_KEYS: no key is set, so tokens are refused; set a key"
    assert error_of(answer) == (401, "UNAUTHORIZED", message)


def test_other_doors_need_no_token(post: Post, ask: Ask) -> None:
    assert ask(query="SELECT 1")["rows"] == [[1]]


def test_unless_it_is_asked_for_nobody_needs_a_token(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLATCH_TOKEN_KEYS", PUBLIC)
    ask(query="CREATE TABLE t (n)")

    for headers in ({}, {"authorization": "AWS4-HMAC-SHA256 Credential=..."}):
        assert ask(v2("POST", "/query", WRITE, headers=headers))["statusCode"] == 200


CLAIM = "sqlatch/databases"


@pytest.fixture
def with_claims(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> Post:
    """Send a body as API Gateway does that has verified these claims, to a service that asks."""
    monkeypatch.setenv("SQLATCH_JWT_DATABASES_CLAIM", CLAIM)
    ask(query="CREATE TABLE t (n)")

    def with_claims(
        body: str | None, claims: Any, path: str = "/query", method: str = "POST"
    ) -> Any:
        event = v2(method, path, body)
        event["requestContext"]["authorizer"] = {"jwt": {"claims": claims, "scopes": None}}
        return ask(event)

    return with_claims


@pytest.mark.parametrize(
    "databases",
    [
        *("*", "main", "[main]", "[other main]", "other main", "other, main", '["other","main"]'),
        *(["main"], ["other", "main"]),
    ],
    ids=str,
)
def test_a_claim_lets_in_to_the_databases_that_it_names(databases: Any, with_claims: Post) -> None:
    """A list comes from API Gateway as a text, `[a b]`."""
    for path in ("/query", "/main/query"):
        assert with_claims(READ, {CLAIM: databases}, path)["statusCode"] == 200
    assert with_claims(WRITE, {CLAIM: databases})["statusCode"] == 200


@pytest.mark.parametrize(
    "databases",
    [
        *("", "[]", "other", "[other]", "mai", "main-2", "[*]", "**", "m*", "MAIN"),
        *([], ["*"], ["other"], [1], {"main": True}, True, 1, None, "left out"),
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/query", "/read", "/main/query", "/main/read"])
def test_without_a_claim_for_the_database_nothing_is_read_or_written(
    databases: Any, path: str, with_claims: Post, directory: Path
) -> None:
    files = contents(directory)
    claims = {} if databases == "left out" else {CLAIM: databases}

    for body in (WRITE, READ):
        assert error_of(with_claims(body, claims, path))[:2] == (401, "UNAUTHORIZED")
    assert contents(directory) == files
    assert service().leases.held() == []


@pytest.mark.parametrize(
    "authorizer",
    [
        None,
        {},
        {"jwt": None},
        {"jwt": {}},
        {"jwt": {"claims": None}},
        {"jwt": {"claims": CLAIM}},
        {"claims": {CLAIM: "*"}},
        {"iam": {"userArn": "arn:aws:iam::111122223333:user/a"}, CLAIM: "*"},
    ],
    ids=str,
)
def test_who_no_gateway_has_verified_is_refused(
    authorizer: Any, with_claims: Post, ask: Ask
) -> None:
    event = v2("POST", "/query", READ, headers={CLAIM: "*", "authorization": "Bearer x"})
    event["requestContext"]["authorizer"] = authorizer

    assert error_of(ask(event)) == (
        401,
        "UNAUTHORIZED",
        f"the token's `{CLAIM}` is neither a list of names nor '*'",
    )
    assert error_of(ask(v1("POST", "/query", READ)))[0] == 401


def test_health_takes_a_claim_for_all_databases(with_claims: Post) -> None:
    def health(databases: str) -> dict[str, Any]:
        return with_claims(None, {CLAIM: databases}, "/health", "GET")

    assert health("*")["statusCode"] == 200
    assert error_of(health("main"))[0] == 401


def test_a_claim_is_no_more_than_the_route_permits(with_claims: Post) -> None:
    assert error_of(with_claims(WRITE, {CLAIM: "*"}, "/read"))[:2] == (403, "READ_ONLY")


def test_a_token_for_one_database_takes_its_path_and_no_other(post: Post) -> None:
    token = bearer(time.time(), databases=["main"])

    assert post(READ, token, "/main/query")["statusCode"] == 200
    assert error_of(post(READ, token, "/other/query"))[:2] == (401, "UNAUTHORIZED")


def contents(directory: Path) -> dict[str, bytes]:
    """Every file beside the databases, but for the leases' own."""
    return {
        path.name: path.read_bytes()
        for path in directory.iterdir()
        if not path.name.startswith(".leases")
    }
