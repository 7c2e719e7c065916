"""The way over HTTP: urllib3's connections, signed by IAM or with a token, and kept."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import urllib3
from urllib3 import exceptions

from sqlatch.failures import AnswerCutOff, CallTimedOut, Unreachable
from sqlatch.transports import door
from sqlatch.transports.connections import bounded, within
from sqlatch.transports.door import Answer, Sign
from sqlatch.transports.transport import check_size
from sqlatch.url import HttpTarget

CONNECTIONS_MAX = 10
READ_BYTES = 64 * 1024

_OBJECT = re.compile(r"^\w+\(host=.*?\): ")


class HttpTransport:
    """The HTTP door of one service."""

    request_bytes_max = door.REQUEST_BYTES_MAX

    def __init__(
        self, target: HttpTarget, *, token: str | None = None, sign: Sign | None = None
    ) -> None:
        self._origin = target.origin + target.prefix
        self._token = token
        self._sign = sign
        self._process = os.getpid()
        self._pool = _pool()

    def invoke(self, event: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
        request = door.request_of(event)
        check_size(self, request.body)
        answer = self.exchange(
            request.method, request.path, request.body, request.headers, timeout_s=timeout_s
        )
        reply = door.reply_in(event, answer.status, answer.content)
        if (position := answer.headers.get(door.POSITION)) is not None:
            reply.setdefault("position", position)
        return reply

    def send(
        self,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        timeout_s: float,
    ) -> tuple[int, bytes]:
        answer = self.exchange(method, path, body, headers, timeout_s=timeout_s)
        return answer.status, answer.content

    def exchange(
        self,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        timeout_s: float,
    ) -> Answer:
        """Send a request and return the whole answer, whatever it is."""
        url = self._origin + path
        sent = door.headers_of(headers, self._token)
        if self._sign is not None:
            sent = self._sign(method, url, sent, body)
        timeout = urllib3.Timeout(connect=min(door.CONNECT_S_MAX, timeout_s), total=timeout_s)
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
        return Answer(response.status, response.headers, content)

    def size_bytes(self, encoded: bytes) -> int:
        return door.size_bytes(encoded)

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


def _content(response: urllib3.BaseHTTPResponse) -> bytes:
    parts = []
    size_bytes = 0
    # Not stream(), which waits until a part is full, however long the bytes take.
    while part := response.read1(READ_BYTES):
        parts.append(part)
        size_bytes += len(part)
        door.check_length(size_bytes)
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
        raise Unreachable(f"no connection to {origin}: {_why(error)}") from error
    except exceptions.TimeoutError as error:
        raise CallTimedOut(f"the answer from {origin} was not complete in time") from error
    except exceptions.HTTPError as error:
        raise AnswerCutOff(f"the answer from {origin} was cut off: {error}") from error


def _why(error: Exception) -> str:
    """Return the words of an error of urllib3 without the object that they begin with."""
    return _OBJECT.sub("", str(error))
