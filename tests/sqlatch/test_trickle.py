"""Slow ends: an answer that trickles in ends with the call, and a slow reader has all its time."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from sqlatch import attempts, failures
from sqlatch.transports import door, lambda_
from tests.sqlatch.conftest import connected
from tests.sqlatch.lambda_server import FUNCTION, LambdaServer
from tests.sqlatch.socket_server import request_of
from tests.sqlatch.test_connections import KEPT
from tests.sqlatch.test_http_failures import CHUNKED, answer

pytestmark = pytest.mark.usefixtures("kind")

PAUSE_S = 0.02
BYTES_MAX = 400
"""What is sent at most: 8 s of bytes, where the call has 0.3 s."""

PLACES = {
    "in the head": (b"HTTP/1.1 200 X\r\nx-slow: ", b"x"),
    "in the body": (answer(200, b"", length=1000), b" "),
    "in the size of a chunk": (CHUNKED, b"0"),
    "in a chunk": (CHUNKED + b"fff\r\n", b" "),
}


@contextmanager
def trickling(at_once: bytes, then: bytes) -> Iterator[tuple[int, list[int]]]:
    """The port of such a server, and how many bytes it has sent to each connection."""
    ends = threading.Event()
    sent: list[int] = []
    threads: list[threading.Thread] = []

    def trickle(connection: socket.socket) -> None:
        number = len(sent)
        sent.append(0)
        with connection, suppress(OSError):
            connection.sendall(at_once)
            while sent[number] < BYTES_MAX and not ends.wait(PAUSE_S):
                connection.sendall(then)
                sent[number] += 1

    def serve(listener: socket.socket) -> None:
        while True:
            connection, _address = listener.accept()
            if ends.is_set():
                connection.close()
                return
            threads.append(threading.Thread(target=trickle, args=(connection,)))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, args=(listener,))
        server.start()
        try:
            yield listener.getsockname()[1], sent
        finally:
            ends.set()
            with suppress(OSError), socket.create_connection(listener.getsockname(), 1):
                pass
            for thread in [server, *threads]:
                thread.join()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("transport", ["http", "lambda"])
def test_an_answer_that_trickles_in_ends_at_the_time_of_the_attempt(
    transport: str, place: str, lambda_api: LambdaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "ATTEMPTS_MAX", 1)
    with trickling(*PLACES[place]) as (port, sent):
        url = f"http://127.0.0.1:{port}/main"
        if transport == "lambda":
            monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", f"http://127.0.0.1:{port}")
            url = f"lambda://{FUNCTION}/main"
        error: Exception | None = None
        # A busy machine may take the time of a call to connect, or to send the first byte.
        while not sent or isinstance(error, failures.Unreachable):
            with connected(url, timeout_s=0.3) as client, pytest.raises(failures.CallFailed) as end:
                client.query("SELECT 1")
            error = end.value
        sent_in_time = max(sent)

    assert isinstance(error, failures.CallTimedOut)
    assert sent_in_time < BYTES_MAX


@pytest.mark.parametrize("transport", ["http", "lambda"])
def test_a_request_may_be_sent_for_longer_than_a_connection_is_waited_for(
    transport: str, lambda_api: LambdaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "ATTEMPTS_MAX", 1)
    for module in (door, lambda_):
        monkeypatch.setattr(module, "CONNECT_S_MAX", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        requests: list[bytes] = []

        def serve() -> None:
            # Two calls on one connection, and each body is more than what the kernel holds.
            connection, _address = listener.accept()
            with connection:
                for _call in range(2):
                    threading.Event().wait(0.3)
                    requests.append(request_of(connection))
                    connection.sendall(KEPT)

        server = threading.Thread(target=serve)
        server.start()
        url = f"http://127.0.0.1:{port}/main"
        if transport == "lambda":
            monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", f"http://127.0.0.1:{port}")
            url = f"lambda://{FUNCTION}/main"
        with connected(url) as client:
            for _call in range(2):
                client.execute("INSERT INTO t VALUES (?)", ["x" * 6_000_000])
        server.join()

    assert [len(request) > 6_000_000 for request in requests] == [True, True]
