"""The proxy of `sqlatch console`: for its own page alone, with the caller's credentials."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sqlatch import connect
from sqlatch.server.proxy import Proxy
from tests.sqlatch.lambda_server import FUNCTION, LambdaServer


@pytest.fixture
def proxy(lambda_api: LambdaServer) -> Iterator[Proxy]:
    with connect(f"lambda://{FUNCTION}/main") as client:
        yield Proxy(client)


def asked(
    proxy: Proxy, method: str, path: str, fields: object = None, token: str | None = None
) -> tuple[int, Any]:
    secret = proxy.secret if token is None else token
    answer = proxy.answer(
        {
            "rawPath": path,
            "headers": {"authorization": f"Bearer {secret}"},
            "requestContext": {"http": {"method": method}},
            "body": json.dumps(fields),
        }
    )
    body = answer["body"]
    is_json = answer["headers"]["content-type"] == "application/json"
    return answer["statusCode"], json.loads(body) if is_json else body


def test_what_the_page_asks_is_invoked(proxy: Proxy) -> None:
    made = {"query": "CREATE TABLE t (a)", "database": "other", "idempotency_key": "1"}
    many = {"query": "SELECT 9007199254740993, 1.0 FROM t", "database": "other"}

    assert asked(proxy, "POST", "/query", made)[1]["meta"]["wrote"]
    assert asked(proxy, "POST", "/read", many)[1]["rows"] == []
    del made["idempotency_key"]
    status, refused = asked(proxy, "POST", "/read", {**made, "query": "DROP TABLE t"})
    assert (status, refused["error"]["code"]) == (400, "READ_ONLY")
    assert asked(proxy, "GET", "/health")[1]["status"] == "ok"


def test_the_page_is_for_everybody_and_the_service_for_who_has_the_link(
    proxy: Proxy, lambda_api: LambdaServer
) -> None:
    assert "<html" in asked(proxy, "GET", "/console", token="")[1]
    for token in ("", "another", proxy.secret[:-1], "é"):
        for method, path in (("POST", "/query"), ("POST", "/read"), ("GET", "/health")):
            status, answer = asked(proxy, method, path, {"query": "SELECT 1"}, token)
            assert (status, answer["error"]["code"]) == (401, "UNAUTHORIZED")
    assert lambda_api.events == []
    assert asked(proxy, "GET", "/other")[0] == 404


@pytest.mark.parametrize("fields", [None, [], "text"])
def test_what_is_no_request_is_refused_here(proxy: Proxy, fields: object) -> None:
    assert asked(proxy, "POST", "/query", fields)[1]["error"]["code"] == "BAD_EVENT"
