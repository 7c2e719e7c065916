"""A server that answers in bytes, so that it can cut an answer off, or give none."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

WAITS_S = 30.0


@dataclass(slots=True)
class SocketServer:
    """Each connection takes the next of `answers`, the last one for ever; None is silence.

    With `keeps` a connection takes one answer after the other, until the client ends it, or with
    that request, counted over all connections, which then gets no answer.
    """

    port: int
    answers: list[bytes | None]
    keeps: bool = False
    ends_behind_request: int | None = None
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    ends: threading.Event = field(default_factory=threading.Event)
    last_client: object = None


@contextmanager
def running(*answers: bytes | None, keeps: bool = False) -> Iterator[SocketServer]:
    """A server, alive inside the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = SocketServer(listener.getsockname()[1], list(answers), keeps)
        thread = threading.Thread(target=_serve, args=(listener, server))
        thread.start()
        try:
            yield server
        finally:
            server.ends.set()
            with socket.socket() as last:
                last.bind(("127.0.0.1", 0))
                server.last_client = last.getsockname()
                last.connect(("127.0.0.1", server.port))
            thread.join()


def _serve(listener: socket.socket, server: SocketServer) -> None:
    threads = []
    while True:
        connection, client = listener.accept()
        if client == server.last_client:
            connection.close()
            break
        server.connections += 1
        threads.append(threading.Thread(target=_answer, args=(connection, server)))
        threads[-1].start()
    for thread in threads:
        thread.join()


def _answer(connection: socket.socket, server: SocketServer) -> None:
    answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
    connection.settimeout(WAITS_S)
    with connection, suppress(OSError):
        while request := request_of(connection):
            server.requests.append(request)
            if len(server.requests) == server.ends_behind_request:
                break
            if answer is None:
                server.ends.wait(WAITS_S)
                break
            connection.sendall(answer)
            if not server.keeps:
                break


def request_of(connection: socket.socket) -> bytes:
    """All of a request or an answer, by its content-length; nothing if the other end has gone."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65_536)
        if not part:
            return b""
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(
        (int(line[15:]) for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:"),
        0,
    )
    parts = [body]
    missing = length - len(body)
    while missing > 0:
        parts.append(connection.recv(65_536))
        if not parts[-1]:
            return b""
        missing -= len(parts[-1])
    return head + b"\r\n\r\n" + b"".join(parts)
