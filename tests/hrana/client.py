"""A client of the protocol as a test needs it: bodies in, bodies out, through any way to invoke."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from handler import local

Invoke = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass
class Client:
    """Sends requests as one caller to one database."""

    token: str
    database: str = "main"
    headers: dict[str, str] = field(default_factory=dict)
    invoke: Invoke = local.invoke

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
        answer = self.invoke(event)
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
    kinds: dict[str, Any] = {"integer": int, "null": lambda _nothing: None}
    return [
        [kinds.get(one["type"], lambda same: same)(one.get("value")) for one in row]
        for row in result["rows"]
    ]


def balances(client: Client) -> list[Any]:
    """The balances of the fixture `accounts`, as another caller reads them."""
    return [balance for (balance,) in client.rows("SELECT balance FROM account ORDER BY id")]


def results(client: Client, *requests: Any) -> list[Any]:
    return client.pipeline(*requests, {"type": "close"})["results"][:-1]


def response(client: Client, request: Any) -> Any:
    (result,) = results(client, request)
    assert result["type"] == "ok", result
    return result["response"]


def stmt(sql: str, **fields: Any) -> dict[str, Any]:
    return {"sql": sql, **fields}


def batch(*steps: Any) -> dict[str, Any]:
    return {"steps": list(steps)}


def step(sql: str, condition: Any = None) -> dict[str, Any]:
    return {"stmt": stmt(sql), "condition": condition}
