"""A connection to one endpoint, kept between calls: a request goes out, one whole answer comes.

HTTP/1.1 as far as DynamoDB and S3 speak it. The standard library's client takes longer to load than
to read this, gives each step of an answer a time of its own, and takes an answer without a length
for whole wherever the connection ends.
"""

import os
import select
import socket
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

from sqlatch.kernel.aws.answer import Answer, Reader, left_s
from sqlatch.kernel.aws.dialing import connected
from sqlatch.kernel.aws.endpoint import Endpoint
from sqlatch.kernel.aws.errors import CutOff, NotConnected, TimedOut
from sqlatch.kernel.aws.signature import Request

if TYPE_CHECKING:
    from sqlatch.kernel.aws.proxy import Proxy

SILENCE_S = 2.0
"""The longest that the other side may take nothing, or say nothing."""

CALL_S = 60.0
"""The longest that a call may take, if its caller gives no deadline."""

IDLE_S = 60.0
"""A connection that was idle for longer is not used again, as in AWS's SDK for Java."""

IDLE_MAX = 2
"""Connections that are kept: a process has one, and a thread in its background another."""

PIECE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class _Kept:
    """A connection between two calls. `idle_since_s` in epoch seconds."""

    connection: socket.socket
    process: int
    idle_since_s: float


class _Stale(Exception):
    """A kept connection had ended before anything of an answer came."""


class Connection:
    """A connection to an endpoint for one call after the other; further ones for further threads.

    A request is sent again in one case: it was sent over a kept connection, and that ended before
    a byte of an answer came. Servers end idle connections when they like, and a process that was
    frozen or restored from a snapshot finds all of its own ended. It is sent again once, over a new
    connection. The first may have arrived nevertheless, so what is asked must be safe to do twice:
    a read, a deletion, or a write whose condition does not hold the second time. Of the second
    kind, the refusal then brings back what the first wrote, and the caller knows it by its own id.
    Whatever fails otherwise is raised, and the caller decides. The answer to what was sent twice
    says so: a refusal of the second says nothing of the first.
    """

    def __init__(self, endpoint: Endpoint, proxy: "Proxy | None" = None) -> None:
        self._endpoint = endpoint
        self._proxy = proxy
        self._idle: deque[_Kept] = deque(maxlen=IDLE_MAX)
        self._busy: set[socket.socket] = set()
        self._is_over = False

    def ask(
        self,
        request: Request,
        *,
        deadline_s: float | None = None,
        silence_s: float | None = None,
        may_repeat: bool = True,
    ) -> Answer:
        """Send a request and return its answer, whatever its status.

        `deadline_s` in epoch seconds. Unavailable if there is no whole answer until then, or if the
        other side says nothing for `silence_s` (SILENCE_S if it is not given). One that must not
        arrive twice is not sent again: CutOff.
        """
        silence_s = SILENCE_S if silence_s is None else silence_s
        call_s = CALL_S if deadline_s is None else min(deadline_s - time.time(), CALL_S)
        ends_at_s = time.monotonic() + call_s
        kept = self._take()
        if kept is not None:
            try:
                return self._converse(kept, request, ends_at_s, silence_s, is_kept=True)
            except _Stale as stale:
                if not may_repeat:
                    raise CutOff("a kept connection ended without an answer") from stale
                return self._ask_again(request, ends_at_s, silence_s)
        connection = connected(self._endpoint, self._proxy, ends_at_s)
        return self._converse(connection, request, ends_at_s, silence_s, is_kept=False)

    def _ask_again(self, request: Request, ends_at_s: float, silence_s: float) -> Answer:
        """Send what was sent before. Whatever comes of it, the first one may have arrived."""
        try:
            connection = connected(self._endpoint, self._proxy, ends_at_s)
        except NotConnected as error:
            raise CutOff(f"a kept connection ended without an answer, then {error}") from error
        answer = self._converse(connection, request, ends_at_s, silence_s, is_kept=False)
        return replace(answer, is_second=True)

    def close(self) -> None:
        while self._idle:
            self._idle.popleft().connection.close()

    def hang_up(self) -> None:
        """End the calls that other threads are in: CutOff for them, and for any call after this."""
        self._is_over = True
        for connection in list(self._busy):
            with suppress(OSError):
                # That of TLS would first speak with the other side.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        self.close()

    def __del__(self) -> None:
        """Close what an owner that was not closed has kept, as Django's at the end of a thread."""
        self.close()

    def _take(self) -> socket.socket | None:
        """Return a kept connection that nobody has ended, as far as can be seen from here."""
        while self._idle:
            try:
                kept = self._idle.pop()
            except IndexError:  # another thread was sooner
                return None
            idle_s = time.time() - kept.idle_since_s
            is_ours = kept.process == os.getpid()
            if is_ours and 0 <= idle_s <= IDLE_S and not _has_something(kept.connection):
                return kept.connection
            kept.connection.close()
        return None

    def _converse(
        self,
        connection: socket.socket,
        request: Request,
        ends_at_s: float,
        silence_s: float,
        *,
        is_kept: bool,
    ) -> Answer:
        reader = Reader(connection, ends_at_s, silence_s=silence_s)
        self._busy.add(connection)
        try:
            if self._is_over:
                raise EOFError("the caller has hung up")
            _send(connection, request, ends_at_s)
            answer = reader.answer(has_body=request.method != "HEAD")
        except BaseException as error:
            connection.close()
            if isinstance(error, TimeoutError):
                raise TimedOut(
                    f"no whole answer in time from {self._endpoint.authority}"
                ) from error
            if isinstance(error, OSError | EOFError):
                if is_kept and not reader.has_begun:
                    raise _Stale from error
                self._cut_off(error)
            raise
        finally:
            self._busy.discard(connection)
        if answer.is_last or self._is_over or len(self._idle) == IDLE_MAX:
            connection.close()
        else:
            self._idle.append(_Kept(connection, os.getpid(), time.time()))
        return answer

    def _cut_off(self, error: Exception) -> NoReturn:
        raise CutOff(
            f"{self._endpoint.authority} ended the connection before its answer was whole: {error}"
        ) from error


def _head(request: Request) -> bytes:
    lines = [f"{request.method} {request.target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    if request.body or request.method in {"PUT", "POST"}:
        lines.append(f"content-length: {len(request.body)}")
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1:
        raise ValueError("a header must not hold the end of a line")
    return f"{head}\r\n\r\n".encode("latin-1")


def _send(connection: socket.socket, request: Request, ends_at_s: float) -> None:
    head, body = _head(request), request.body
    content = memoryview(head + body if len(body) <= PIECE_BYTES else body)
    if len(body) > PIECE_BYTES:
        connection.settimeout(left_s(ends_at_s, SILENCE_S))
        connection.sendall(head)
    for start in range(0, len(content), PIECE_BYTES):
        connection.settimeout(left_s(ends_at_s, SILENCE_S))
        connection.sendall(content[start : start + PIECE_BYTES])


def _has_something(connection: socket.socket) -> bool:
    """Return whether something lies there to be read, which between two calls is an end."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))
