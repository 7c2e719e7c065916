"""The HTTP door as callers see it: the request that an event is, the reply in an answer."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlatch.errors import BadEvent, Unauthorized, error_of
from sqlatch.failures import (
    CallFailed,
    CallTimedOut,
    FunctionDied,
    FunctionNotFound,
    NotPermitted,
    RequestTooLarge,
    Throttled,
    UnexpectedAnswer,
)
from sqlatch.kernel.version import __version__
from sqlatch.transports.transport import encoded, refuse, reply_of, shown

Sign = Callable[[str, str, dict[str, str], bytes], dict[str, str]]
"""The headers of a signed request, from method, URL, headers and body."""

CONNECT_S_MAX = 5.0
REQUEST_BYTES_MAX = 6 * 1024 * 1024 - 64 * 1024
"""API Gateway takes 10 MB, Lambda behind it 6 MB: of the body as a JSON text, with what else an
event holds beside it."""

ANSWER_BYTES_MAX = 256 * 1024 * 1024
"""Unpacked. The service's own limit is 5.5 MB unless it is set otherwise, a gzip bomb's is not."""

OK = 200

POSITION = "sqlatch-position"
AT_LEAST = "sqlatch-at-least"

HEADERS = {
    "accept-encoding": "gzip",
    "content-type": "application/json",
    "user-agent": f"sqlatch/{__version__}",
}

_FAILURES: dict[int, type[CallFailed]] = {
    401: NotPermitted,
    403: NotPermitted,
    404: FunctionNotFound,
    413: RequestTooLarge,
    429: Throttled,
    500: FunctionDied,
    502: FunctionDied,
    503: FunctionDied,
    504: CallTimedOut,
}
"""By the status of an answer that the service has not made, but what stands before it."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request to the door; its headers are those beside `HEADERS`."""

    method: str
    path: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the door; the names of its headers are those of any case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


def request_of(event: Mapping[str, Any]) -> Request:
    """Return the request that an event is."""
    if "health" in event:
        return Request("GET", "/health", b"", {})
    if "pipeline" in event:
        key = event.get("idempotency_key")
        headers = {} if key is None else {"idempotency-key": key}
        if (at_least := event.get("at_least")) is not None:
            headers[AT_LEAST] = at_least
        path = f"/{event['database']}/v3/pipeline"
        return Request("POST", path, encoded(event["pipeline"]), headers)
    path = "/read" if event.get("read_only") else "/query"
    return Request("POST", path, encoded(event), {})


def headers_of(headers: Mapping[str, str], token: str | None) -> dict[str, str]:
    """Return all headers of a request, before it is signed."""
    sent = HEADERS | {name.lower(): value for name, value in headers.items()}
    if token is not None:
        sent.setdefault("authorization", f"Bearer {token}")
    return sent


def size_bytes(encoded: bytes) -> int:
    """Return the bytes that a body has as a text within the event, where a quote is two."""
    return len(encoded) + encoded.count(b'"') + encoded.count(b"\\")


def check_length(size_bytes: int) -> None:
    """UnexpectedAnswer if an answer has more bytes than it may."""
    if size_bytes > ANSWER_BYTES_MAX:
        raise UnexpectedAnswer(f"the answer has more bytes than the limit of {ANSWER_BYTES_MAX:,}")


def reply_in(event: Mapping[str, Any], status: int, content: bytes) -> dict[str, Any]:
    """Return the reply in the answer to an event, or raise the error that it tells of."""
    reply = _object_in(status, content)
    if "pipeline" in event:
        return _pipeline(reply, status, content)
    if status == OK or reply.get("status") == "degraded":  # which health says with 503
        return reply
    refuse(reply)
    raise _failure(status, content)


def _pipeline(reply: dict[str, Any], status: int, content: bytes) -> dict[str, Any]:
    if "results" in reply:
        return reply
    # The protocol's own errors bear no more than a message and a code.
    if status == 401 and "code" in reply:  # noqa: PLR2004
        raise Unauthorized(str(reply["message"]))
    if status < 500 and "code" in reply:  # noqa: PLR2004
        raise BadEvent(str(reply["message"]), refusal=str(reply["code"]))
    if (error := error_of(reply)) is not None:
        raise error
    raise _failure(status, content)


def _object_in(status: int, content: bytes) -> dict[str, Any]:
    """Return the object in an answer. Where it has none, a status other than 200 says why."""
    if status == OK:
        return reply_of(content)
    with suppress(CallFailed):
        return reply_of(content)
    raise _failure(status, content)


def _failure(status: int, content: bytes) -> CallFailed:
    kind = _FAILURES.get(status, UnexpectedAnswer)
    return kind(f"HTTP {status}, not from the service: {shown(content)}", status=status)
