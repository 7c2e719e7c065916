"""A client of the protocol as a test needs it: bodies in, bodies out, through the handler."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from handler import local
from handler.service import service
from sqlatch.tokens import new_key, sign

PRIVATE, PUBLIC = new_key()


def token(*, access: str = "rw", databases: Any = "*", lifetime_s: int = 600) -> str:
    return sign(PRIVATE, access=access, databases=databases, lifetime_s=lifetime_s)


@dataclass
class Client:
    """Sends requests as one caller to one database."""

    token: str
    database: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def send(self, path: str, body: Any, *, method: str = "POST") -> tuple[int, Any]:
        """Status and body of a request; a body that is text is sent as it is."""
        event = {
            "version": "2.0",
            "rawPath": f"{self.database and '/' + self.database}{path}",
            "headers": {"authorization": f"Bearer {self.token}", **self.headers},
            "requestContext": {"http": {"method": method}, "stage": "$default"},
            "body": body if isinstance(body, str) else json.dumps(body),
            "isBase64Encoded": False,
        }
        answer = local.invoke(event)
        kind = answer["headers"]["content-type"]
        if kind == "application/json":
            return answer["statusCode"], json.loads(answer["body"])
        assert kind == "application/x-ndjson"
        return answer["statusCode"], [json.loads(line) for line in answer["body"].splitlines()]

    def pipeline(self, *requests: Any, baton: str | None = None) -> dict[str, Any]:
        status, body = self.send("/v3/pipeline", {"baton": baton, "requests": requests})
        assert status == 200, body
        return body

    def stream(self) -> "StreamOf":
        return StreamOf(self)

    def rows(self, sql: str, *args: Any) -> list[list[Any]]:
        """The rows of a statement by itself, their values as Python has them."""
        return plain(self.stream().execute(sql, *args))


@dataclass
class StreamOf:
    """A stream that keeps its baton; every call is a request of its own."""

    client: Client
    baton: str | None = None

    def ask(self, *requests: Any) -> list[Any]:
        body = self.client.pipeline(*requests, baton=self.baton)
        self.baton = body["baton"]
        return body["results"]

    def execute(self, sql: str, *args: Any) -> dict[str, Any]:
        """The result of a statement; AssertionError with its error if it failed."""
        (result,) = self.ask(execute(sql, *args))
        assert result["type"] == "ok", result["error"]
        return result["response"]["result"]

    def refused(self, sql: str, *args: Any) -> dict[str, Any]:
        (result,) = self.ask(execute(sql, *args))
        assert result["type"] == "error", result
        return result["error"]


def execute(sql: str, *args: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "execute", "stmt": {"sql": sql, "args": [value(arg) for arg in args], **fields}}


def value(given: Any) -> dict[str, Any]:
    if given is None:
        return {"type": "null"}
    if isinstance(given, int):
        return {"type": "integer", "value": str(given)}
    if isinstance(given, float):
        return {"type": "float", "value": given}
    return {"type": "text", "value": given}


def plain(result: dict[str, Any]) -> list[list[Any]]:
    kinds = {"integer": int, "null": lambda _nothing: None}
    return [
        [kinds.get(one["type"], lambda same: same)(one.get("value")) for one in row]
        for row in result["rows"]
    ]


@pytest.fixture
def keys(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SQLATCH_TOKEN_KEYS", PUBLIC)
    service.cache_clear()
    yield
    service().close()
    service.cache_clear()


@pytest.fixture
def client(keys: None) -> Client:
    return Client(token())


@pytest.fixture
def other(client: Client) -> Client:
    """Another caller, of the same database, with the same token."""
    return Client(client.token)
