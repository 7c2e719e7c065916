"""Connections of urllib3 with two more properties, for both transports.

The whole answer must be there when the time of the call is over, however its bytes come; and an
error before the request was sent is told from one behind it.
"""

import io
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from typing import Any

from urllib3 import HTTPConnectionPool, exceptions
from urllib3.connection import HTTPConnection
from urllib3.util.connection import allowed_gai_family

_ENDS_AT_S: ContextVar[float] = ContextVar("ends_at_s")


@contextmanager
def within(timeout_s: float) -> Iterator[None]:
    """Have the calls of the block end in time."""
    token = _ENDS_AT_S.set(time.monotonic() + timeout_s)
    try:
        yield
    finally:
        _ENDS_AT_S.reset(token)


def bounded(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    """A pool of urllib3's, or of botocore's, with such connections."""
    kind = type(pool.ConnectionCls.__name__, (_Bounded, pool.ConnectionCls), {})
    return type(pool.__name__, (pool,), {"ConnectionCls": kind})


class _Bounded(HTTPConnection):
    """A connection of urllib3 whose attempt ends in time, the connecting included."""

    def connect(self) -> None:
        """Connect; whatever fails here, TLS too, fails before anything was sent."""
        try:
            super().connect()
        except exceptions.SSLError as error:
            raise exceptions.NewConnectionError(self, str(error)) from error
        except (OSError, ValueError) as error:  # ValueError: a certificate of another host
            raise exceptions.NewConnectionError(self, str(error)) from error
        self.sock.settimeout(_left_s())

    def _new_conn(self) -> socket.socket:
        """Connect to the first address that answers; they share what urllib3 would give each."""
        host, timeout_s = self._dns_host, float(self.timeout or _left_s())
        ends_at_s = time.monotonic() + min(timeout_s, _left_s())
        addresses = _addresses(host, self.port)
        try:
            while len(addresses) > 1:
                left_s = ends_at_s - time.monotonic()
                self.timeout = max(0.001, left_s / len(addresses))
                self._dns_host = addresses.pop(0)
                with suppress(exceptions.NewConnectionError, exceptions.ConnectTimeoutError):
                    return super()._new_conn()
            self.timeout = max(0.001, ends_at_s - time.monotonic())
            self._dns_host = addresses[0]
            return super()._new_conn()
        finally:
            self._dns_host, self.timeout = host, timeout_s

    def request(self, *arguments: Any, **options: Any) -> None:
        # Sending has all the time that is left, not that of connecting, which urllib3 gives it.
        if self.sock is not None:
            self.timeout = _left_s()
        super().request(*arguments, **options)

    def getresponse(self) -> Any:
        # A timeout of the socket is one for each read of it, so it is set again before each.
        made: Any = self.response_class
        self.response_class = partial(_response, made, _ENDS_AT_S.get())  # type: ignore[assignment]
        try:
            return super().getresponse()
        finally:
            self.response_class = made


def _addresses(host: str, port: int) -> list[str]:
    """The addresses of a host; the host itself if it has none, which urllib3 says in its words."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, allowed_gai_family(), socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return [host]
    return list(dict.fromkeys(str(address[0]) for *_kind, address in found))


def _left_s() -> float:
    return max(0.001, _ENDS_AT_S.get() - time.monotonic())


def _response(made: Any, ends_at_s: float, sock: socket.socket, *rest: Any, **more: Any) -> Any:
    return made(_Socket(sock, ends_at_s), *rest, **more)


class _Socket:
    """A socket as http.client needs it to read an answer, with an end to its time."""

    def __init__(self, sock: socket.socket, ends_at_s: float) -> None:
        self._sock = sock
        self._ends_at_s = ends_at_s

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._sock, self._ends_at_s))


class _Reader(io.RawIOBase):
    def __init__(self, sock: socket.socket, ends_at_s: float) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._ends_at_s = ends_at_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left_s = self._ends_at_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the answer was not complete in time")
        self._sock.settimeout(left_s)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()
