"""A proxy for the console: the page on this machine, its requests to a service anywhere.

What it sends is signed with this machine's credentials, so it answers nobody but its own page: each
request brings a secret that is made anew at each start.
"""

import hmac
import json
import secrets
from collections.abc import Mapping
from typing import Any

from sqlatch.client import Client
from sqlatch.errors import BadEvent, SqlatchError, Unauthorized
from sqlatch.kernel import console
from sqlatch.request import is_repeatable
from sqlatch.server.cloudwatch import CloudWatch
from sqlatch.server.gateway import Answer, Event, refusal
from sqlatch.server.watch import PATH as WATCH
from sqlatch.transports.lambda_ import LambdaTransport

READ, QUERY, HEALTH = "/read", "/query", "/health"
ASKED = {("GET", HEALTH), ("GET", WATCH), ("POST", READ), ("POST", QUERY)}


class Proxy:
    """Answers as the service does: with the page, and with what the service replies."""

    def __init__(self, client: Client) -> None:
        self.secret = secrets.token_urlsafe(32)
        self._client = client
        self._metrics: CloudWatch | None = None
        if isinstance(transport := client.transport, LambdaTransport):
            target = transport.target
            self._metrics = CloudWatch(transport.client_of, target.function, target.qualifier)

    def answer(self, event: Event) -> Answer:
        """Return the answer to a request of the page."""
        path, method = event["rawPath"], event["requestContext"]["http"]["method"]
        takes_gzip = "gzip" in event["headers"].get("accept-encoding", "")
        if method == "GET" and (page := console.answer(path, accepts_gzip=takes_gzip)) is not None:
            return page
        if (method, path) not in ASKED or (path == WATCH and self._metrics is None):
            return refusal(404, f"no such path: {path}")
        try:
            self._check(event["headers"])
            return _json(200, self._reply(path, event["body"]))
        except SqlatchError as error:
            return _json(_status(error), {"error": error.body()})

    def _check(self, headers: Mapping[str, str]) -> None:
        given = headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), self.secret.encode()):
            raise Unauthorized("open the link that `sqlatch console` has printed: it has a token")

    def _reply(self, path: str, body: str) -> dict[str, Any]:
        if path == HEALTH:
            return self._client.health()
        if path == WATCH and self._metrics is not None:
            return {"health": self._client.health(), "cloudwatch": self._metrics.counts()}
        fields = _fields(body)
        if path == READ and "history" not in fields:
            fields["read_only"] = True
        attempts = self._client.attempts
        fields.setdefault("timeout_ms", attempts.execution_ms)
        return attempts.of(
            lambda: self._client.transport.invoke(fields, timeout_s=attempts.one_s),
            repeatable=is_repeatable(fields),
        )


def _fields(body: str) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except ValueError as error:
        raise BadEvent(f"the body is not JSON: {error}", field="body") from error
    if not isinstance(fields, dict):
        raise BadEvent("the body is not a JSON object", field="body")
    return fields


def _status(error: SqlatchError) -> int:
    """Return a status by which a page tells what may be sent again; the code says the rest."""
    if isinstance(error, Unauthorized):
        return 401
    return 503 if error.retryable else 400


def _json(status: int, reply: Mapping[str, Any]) -> Answer:
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    return {"statusCode": status, "headers": headers, "body": json.dumps(reply)}
