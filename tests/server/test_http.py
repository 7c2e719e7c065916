"""The HTTP server by real sockets: many clients, connections that stay, slow and silent clients."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from threading import Thread

import pytest

from sqlatch.server.http import Server, authority
from tests import local_server
from tests.conftest import Ask

CLIENTS = 200
READ = b'{"query": "SELECT n FROM t"}'
REQUEST = b"POST /read HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(READ) + READ


@pytest.fixture
def server(ask: Ask) -> Iterator[Server]:
    ask(query="CREATE TABLE t AS SELECT 7 AS n")
    server = Server(local_server.answer, 0)
    with local_server.running(server):
        yield server


@pytest.fixture
def connection(server: Server) -> Iterator[HTTPConnection]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    yield connection
    connection.close()


def connected(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=60)


def test_200_clients_at_once_are_answered(server: Server) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(connected(server)) for _ in range(CLIENTS)]
        for client in clients:
            client.sendall(REQUEST)
        answers = [client.recv(65_536) for client in clients]

    assert all(answer.startswith(b"HTTP/1.1 200 OK") for answer in answers)


def test_a_connection_is_used_again(connection: HTTPConnection) -> None:
    sockets = set()
    for _ in range(3):
        connection.request("POST", "/read", READ)
        answer = connection.getresponse()
        assert json.loads(answer.read())["rows"] == [[7]]
        sockets.add(connection.sock)

    assert len(sockets) == 1


def test_a_body_may_come_in_chunks(connection: HTTPConnection) -> None:
    connection.request("POST", "/read", iter([READ[:9], READ[9:]]), encode_chunked=True)

    assert json.loads(connection.getresponse().read())["rows"] == [[7]]


def test_the_answer_to_head_is_that_to_get_without_its_body(connection: HTTPConnection) -> None:
    answers = []
    for method in ("HEAD", "GET"):
        connection.request(method, "/health")
        answer = connection.getresponse()
        answers.append((answer.status, answer.getheader("content-type"), len(answer.read())))

    (head, get) = answers
    assert head == (*get[:2], 0)
    assert get[2] > 0


@pytest.mark.parametrize("sent", [b"", REQUEST[:20], REQUEST[:-5], REQUEST])
def test_a_connection_on_which_nothing_comes_is_closed(ask: Ask, sent: bytes) -> None:
    server = Server(local_server.answer, 0, idle_s=1)
    with local_server.running(server), connected(server) as client:
        client.sendall(sent)
        while client.recv(65_536):
            pass


def test_a_slow_client_keeps_nobody_waiting(server: Server, connection: HTTPConnection) -> None:
    with connected(server) as slow:
        slow.sendall(REQUEST[:-5])
        connection.request("POST", "/read", READ)
        status = connection.getresponse().status
        slow.sendall(REQUEST[-5:])

        assert (status, slow.recv(65_536)[:15]) == (200, b"HTTP/1.1 200 OK")


def test_an_end_that_is_asked_for_late_finds_nothing_to_wake(ask: Ask) -> None:
    """The loop may end by itself between the wish and the wake: its descriptors are closed then."""
    server = Server(local_server.answer, 0)
    wake = server._server.pull_trigger
    thread = Thread(target=server.run)

    def wake_late() -> None:
        thread.join(1.5)  # Longer than a turn of the loop.
        wake()

    server._server.pull_trigger = wake_late
    thread.start()
    server.stop()
    thread.join()

    server.stop()


@pytest.mark.parametrize(
    ("host", "names", "named"),
    [
        ("127.0.0.1", [], "127.0.0.1"),
        ("0.0.0.0", [], "127.0.0.1"),
        ("::", [], "[::1]"),
        ("::1", [], "[::1]"),
        ("10.0.0.5", [], "10.0.0.5"),
        ("0.0.0.0", ["node1", "10.0.0.5"], "node1"),
    ],
)
def test_a_url_names_the_server_by_what_leads_to_it(
    host: str, names: list[str], named: str
) -> None:
    assert authority(host, names) == named
