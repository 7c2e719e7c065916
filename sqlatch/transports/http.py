"""The way over HTTP: urllib3's connections, signed by IAM or with a token, and kept."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import urllib3
from urllib3 import exceptions

from sqlatch.errors import BadEvent, Unauthorized
from sqlatch.failures import (
    AnswerCutOff,
    CallFailed,
    CallTimedOut,
    FunctionDied,
    FunctionNotFound,
    NotPermitted,
    RequestTooLarge,
    Throttled,
    UnexpectedAnswer,
    Unreachable,
)
from sqlatch.kernel.version import __version__
from sqlatch.transports.connections import bounded, within
from sqlatch.transports.transport import check_size, encoded, refuse, reply_of, shown
from sqlatch.url import HttpTarget

Sign = Callable[[str, str, dict[str, str], bytes], dict[str, str]]
"""The headers of a signed request, from method, URL, headers and body."""

CONNECT_S_MAX = 5.0
CONNECTIONS_MAX = 10
REQUEST_BYTES_MAX = 6 * 1024 * 1024 - 64 * 1024
"""API Gateway takes 10 MB, Lambda behind it 6 MB: of the body as a JSON text, with what else an
event holds beside it."""

ANSWER_BYTES_MAX = 256 * 1024 * 1024
"""Unpacked. The service's own limit is 5.5 MB unless it is set otherwise, a gzip bomb's is not."""

READ_BYTES = 64 * 1024
OK = 200

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


class HttpTransport:
    """The HTTP door of one service."""

    request_bytes_max = REQUEST_BYTES_MAX

    def __init__(
        self, target: HttpTarget, *, token: str | None = None, sign: Sign | None = None
    ) -> None:
        self._origin = target.origin + target.prefix
        self._token = token
        self._sign = sign
        self._process = os.getpid()
        self._pool = _pool()

    def invoke(self, event: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
        if "health" in event:
            return _reply(*self.send("GET", "/health", b"", {}, timeout_s=timeout_s))
        if "pipeline" in event:
            return self._pipeline(event, timeout_s)
        body = encoded(event)
        check_size(self, body)
        path = "/read" if event.get("read_only") else "/query"
        return _reply(*self.send("POST", path, body, {}, timeout_s=timeout_s))

    def send(
        self,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        timeout_s: float,
    ) -> tuple[int, bytes]:
        url = self._origin + path
        sent = HEADERS | {name.lower(): value for name, value in headers.items()}
        if self._token is not None:
            sent.setdefault("authorization", f"Bearer {self._token}")
        if self._sign is not None:
            sent = self._sign(method, url, sent, body)
        timeout = urllib3.Timeout(connect=min(CONNECT_S_MAX, timeout_s), total=timeout_s)
        with _translated(self._origin), within(timeout_s):
            response = self._connections().request(
                method,
                url,
                body=body,
                headers=sent,
                timeout=timeout,
                redirect=False,
                preload_content=False,
            )
            try:
                content = _content(response)
            except BaseException:
                response.close()
                raise
            response.release_conn()
        return response.status, content

    def _pipeline(self, event: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        body = encoded(event["pipeline"])
        check_size(self, body)
        key = event.get("idempotency_key")
        headers = {} if key is None else {"idempotency-key": key}
        path = f"/{event['database']}/v3/pipeline"
        status, content = self.send("POST", path, body, headers, timeout_s=timeout_s)
        reply = _reply_of(status, content)
        if "results" in reply:
            return reply
        # The protocol's own errors bear no more than a message and a code.
        if status == 401 and "code" in reply:  # noqa: PLR2004
            raise Unauthorized(str(reply["message"]))
        if status < 500 and "code" in reply:  # noqa: PLR2004
            raise BadEvent(str(reply["message"]), refusal=str(reply["code"]))
        raise _failure(status, content)

    def size_bytes(self, encoded: bytes) -> int:
        # The body becomes a text within the event, where a quote is two bytes.
        return len(encoded) + encoded.count(b'"') + encoded.count(b"\\")

    def close(self) -> None:
        self._connections().clear()

    def _connections(self) -> urllib3.PoolManager:
        """The connections of this process: after fork() those that were there are the parent's."""
        if self._process != os.getpid():
            self._process, self._pool = os.getpid(), _pool()
        return self._pool


def _pool() -> urllib3.PoolManager:
    pool = urllib3.PoolManager(maxsize=CONNECTIONS_MAX, retries=False)
    pool.pool_classes_by_scheme = {
        "http": bounded(urllib3.HTTPConnectionPool),
        "https": bounded(urllib3.HTTPSConnectionPool),
    }
    return pool


def _reply(status: int, content: bytes) -> dict[str, Any]:
    """The reply in an answer, or the error that it tells of."""
    reply = _reply_of(status, content)
    if status == OK or reply.get("status") == "degraded":  # which health says with 503
        return reply
    refuse(reply)
    raise _failure(status, content)


def _reply_of(status: int, content: bytes) -> dict[str, Any]:
    """Return the object in an answer. Where it has none, a status other than 200 says why."""
    if status == OK:
        return reply_of(content)
    with suppress(CallFailed):
        return reply_of(content)
    raise _failure(status, content)


def _failure(status: int, content: bytes) -> CallFailed:
    kind = _FAILURES.get(status, UnexpectedAnswer)
    return kind(f"HTTP {status}, not from the service: {shown(content)}", status=status)


def _content(response: urllib3.BaseHTTPResponse) -> bytes:
    parts = []
    size_bytes = 0
    # Not stream(), which waits until a part is full, however long the bytes take.
    while part := response.read1(READ_BYTES):
        parts.append(part)
        size_bytes += len(part)
        if size_bytes > ANSWER_BYTES_MAX:
            raise UnexpectedAnswer(
                f"the answer has more bytes than the limit of {ANSWER_BYTES_MAX:,}"
            )
    return b"".join(parts)


@contextmanager
def _translated(origin: str) -> Iterator[None]:
    """urllib3's errors as ours. A connection that was never there has errors of its own."""
    try:
        yield
    except (
        exceptions.ConnectTimeoutError,  # and of those, NewConnectionError and NameResolutionError
        exceptions.NewConnectionError,
        exceptions.ProxyError,
        exceptions.LocationValueError,
    ) as error:
        raise Unreachable(f"no connection to {origin}: {error}") from error
    except exceptions.TimeoutError as error:
        raise CallTimedOut(f"the answer from {origin} was not complete in time") from error
    except exceptions.HTTPError as error:
        raise AnswerCutOff(f"the answer from {origin} was cut off: {error}") from error
