"""Another node by its URL: the one of several that answers, and what is sent along."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from sqlatch.kernel.aws.errors import CutOff, NotConnected
from sqlatch.kernel.aws.signature import Request
from sqlatch.kernel.node import Nodes, is_of_log
from tests.sqlatch import socket_server
from tests.sqlatch.socket_server import SocketServer

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@pytest.fixture
def server() -> Iterator[SocketServer]:
    with socket_server.running(OK, keeps=True) as server:
        yield server


@pytest.fixture
def nowhere() -> Iterator[str]:
    """A URL at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def ask(nodes: Nodes, **headers: str) -> bytes:
    request = Request("GET", "/health", "", headers)
    return nodes.ask(request, deadline_s=time.time() + 10).body


def test_the_node_that_answers_is_asked_first_from_then_on(
    server: SocketServer, nowhere: str
) -> None:
    url = f"http://127.0.0.1:{server.port}"
    with closing(Nodes([nowhere, url])) as nodes:
        assert nodes.url == nowhere
        assert ask(nodes) == b"ok"
        assert nodes.url == url


def test_no_node_is_an_error(nowhere: str) -> None:
    with closing(Nodes([nowhere])) as nodes, pytest.raises(NotConnected):
        ask(nodes)


def test_the_path_of_the_url_stands_before_that_of_a_request(server: SocketServer) -> None:
    with closing(Nodes([f"http://127.0.0.1:{server.port}/stage/"])) as nodes:
        ask(nodes)
    assert server.requests[0].startswith(b"GET /stage/health HTTP/1.1\r\n")


def test_the_token_of_the_node_is_sent_unless_the_caller_has_one(server: SocketServer) -> None:
    with closing(Nodes([f"http://127.0.0.1:{server.port}"], "ours")) as nodes:
        ask(nodes)
        ask(nodes, authorization="Bearer theirs")
    assert b"authorization: Bearer ours\r\n" in server.requests[0]
    assert b"authorization: Bearer theirs\r\n" in server.requests[1]


def test_a_request_that_must_not_arrive_twice_is_not_sent_again() -> None:
    with socket_server.running(OK, OK) as server:
        url = f"http://127.0.0.1:{server.port}"
        with closing(Nodes([url])) as nodes:
            ask(nodes)  # the server ends the connection, perhaps only behind the next request
            request = Request("POST", "/query", "", {}, b"{}")
            with suppress(CutOff):
                nodes.ask(request, deadline_s=time.time() + 10, may_repeat=False)
    assert sum(sent.startswith(b"POST") for sent in server.requests) <= 1


def test_the_paths_are_those_below_the_log() -> None:
    paths = {"": False, "/-/log": True, "/-/log/main": True, "/-/logs": False, "/log/read": False}
    assert {path: is_of_log(path) for path in paths} == paths
