"""A proxy before a real server: the next requests meet faults, one each, and what follows none."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.sqlatch.socket_server import request_of

WAITS_S = 30.0


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure of a request. `is_unknown` if the caller cannot know whether it was applied.

    The server sees it if it `arrives`. The client gets what `answer` makes of the server's answer;
    without an `answer` the proxy reads some of the request and hangs up.
    """

    name: str
    is_unknown: bool
    arrives: bool = False
    answer: Callable[[bytes], bytes] | None = None
    reads: bytes = b""

    def __str__(self) -> str:
        return self.name


def cut(name: str, place: Callable[[bytes], int]) -> Fault:
    """The request is applied, and its answer ends at a place."""
    return Fault(f"cut {name}", True, True, lambda whole: whole[: place(whole)])  # noqa: FBT003


def _behind(what: bytes) -> Callable[[bytes], int]:
    return lambda whole: whole.index(what) + len(what)


CUTS = [
    cut("before the answer", lambda _whole: 0),
    cut("in the status line", lambda _whole: 5),
    cut("behind the status line", _behind(b"\r\n")),
    cut("in a header", lambda whole: whole.lower().index(b"content-length") + 9),
    cut("in the end of the head", lambda whole: whole.index(b"\r\n\r\n") + 2),
    cut("behind the head", _behind(b"\r\n\r\n")),
    cut("in the body", lambda whole: (whole.index(b"\r\n\r\n") + len(whole)) // 2),
    cut("before the last byte", lambda whole: len(whole) - 1),
]
"""One for each class of bytes that an answer can end in."""

REQUEST_CUTS = [
    Fault("hangs up in the request's head", True, reads=b"P"),  # noqa: FBT003
    Fault("hangs up behind the request's head", True, reads=b"\r\n\r\n"),  # noqa: FBT003
]


def instead(name: str, content: bytes, *, is_unknown: bool, arrives: bool = False) -> Fault:
    """Another answer comes than the server's."""
    return Fault(name, is_unknown, arrives, lambda _whole: content)


def answer(status: int, body: Any, **headers: str) -> bytes:
    """An answer in bytes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [f"HTTP/1.1 {status} X", f"content-length: {len(content)}", "connection: close"]
    head += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + content


@dataclass(slots=True)
class FaultProxy:
    """The proxy: `faults` befall the next requests, None lets one pass; `requests` are counted."""

    port: int
    to_port: int
    faults: list[Fault | None] = field(default_factory=list)
    requests: int = 0
    ends: threading.Event = field(default_factory=threading.Event)

    def next_fault(self) -> Fault | None:
        self.requests += 1
        return self.faults.pop(0) if self.faults else None


@contextmanager
def running(to_port: int) -> Iterator[FaultProxy]:
    """A proxy, alive inside the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = FaultProxy(listener.getsockname()[1], to_port)
        thread = threading.Thread(target=_serve, args=(listener, proxy))
        thread.start()
        try:
            yield proxy
        finally:
            proxy.ends.set()
            with suppress(OSError), socket.create_connection(("127.0.0.1", proxy.port), 1):
                pass
            thread.join()


@dataclass(slots=True)
class Held:
    """A request that is applied, and whose answer is held back."""

    is_applied: threading.Event = field(default_factory=threading.Event)
    ends: threading.Event = field(default_factory=threading.Event)

    def answer(self, _whole: bytes) -> bytes:
        self.is_applied.set()
        self.ends.wait()
        return b""


@contextmanager
def holding(url: str, *, behind: int = 0) -> Iterator[tuple[Held, str]]:
    """Hold back the answer to one request, behind so many, until the end of the block; the URL
    under which the service of `url` does that."""
    port = urlsplit(url).port
    assert port is not None
    held = Held()
    with running(port) as proxy:
        held_back = Fault("held", is_unknown=True, arrives=True, answer=held.answer)
        proxy.faults = [*[None] * behind, held_back]
        try:
            yield held, url.replace(f":{port}", f":{proxy.port}")
        finally:
            held.ends.set()


def _serve(listener: socket.socket, proxy: FaultProxy) -> None:
    while True:
        connection, _address = listener.accept()
        if proxy.ends.is_set():
            connection.close()
            return
        # Those that a client keeps end when it closes them.
        threading.Thread(target=_pass, args=(connection, proxy), daemon=True).start()


def _pass(connection: socket.socket, proxy: FaultProxy) -> None:
    connection.settimeout(WAITS_S)
    with connection, suppress(OSError):
        while connection.recv(1, socket.MSG_PEEK):
            fault = proxy.next_fault()
            if fault is not None and fault.answer is None:
                _read(connection, fault.reads)
                return
            request = request_of(connection)
            whole = _forwarded(request, proxy.to_port) if fault is None or fault.arrives else b""
            if fault is not None:
                assert fault.answer is not None
                connection.sendall(fault.answer(whole))
                return
            connection.sendall(whole)


def _read(connection: socket.socket, until: bytes) -> None:
    read = b""
    while until not in read and (byte := connection.recv(1)):
        read += byte


def _forwarded(request: bytes, port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), WAITS_S) as server:
        server.sendall(request)
        return request_of(server)
