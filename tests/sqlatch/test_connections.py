"""Connections that are kept: used again, and made anew where the other end has gone."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from sqlatch import failures
from tests.sqlatch import socket_server
from tests.sqlatch.conftest import connect, connected
from tests.sqlatch.lambda_server import FUNCTION, LambdaServer
from tests.sqlatch.test_http_failures import REPLY, answer, url_of

ROOT = Path(__file__).parents[2]

KEPT = answer(200, REPLY).replace(b"connection: close", b"connection: keep-alive")


@pytest.mark.usefixtures("kind")
def test_a_client_that_is_made_asks_nothing() -> None:
    with socket_server.running(KEPT) as server:
        for options in ({"token": "t"}, {"iam": False}, {}):
            connect(url_of(server), **options).close()

    assert server.requests == []


@pytest.mark.usefixtures("kind")
def test_a_connection_is_used_again() -> None:
    with socket_server.running(KEPT, keeps=True) as server, connect(url_of(server)) as client:
        for _call in range(5):
            client.query("SELECT 1")

    assert len(server.requests) == 5
    assert server.connections == 1


@pytest.mark.usefixtures("kind")
def test_an_end_that_said_it_would_stay_and_went_costs_no_error() -> None:
    with socket_server.running(KEPT) as server, connected(url_of(server)) as client:
        for _call in range(5):
            client.execute("INSERT INTO t VALUES (1)")

    assert server.connections >= 5


ADDRESSES = [f"127.0.0.{number}" for number in range(11, 21)]
ANSWERING = "127.0.0.21"
"""At 127.0.0.1 another process may have the port."""


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port at which no address of a host answers: their queues of connections are full."""
    with ExitStack() as stack:
        port = 0
        for address in ADDRESSES:
            listener = stack.enter_context(socket.socket())
            listener.bind((address, port))
            listener.listen(0)
            port = listener.getsockname()[1]
            for _ in range(3):
                waiting = stack.enter_context(socket.socket())
                waiting.settimeout(0)
                waiting.connect_ex((address, port))
        known = socket.getaddrinfo

        def addresses(host: str, *rest: Any) -> Any:
            hosts = ADDRESSES if host == "many.invalid" else [host]
            return [found for one in hosts for found in known(one, *rest)]

        monkeypatch.setattr(socket, "getaddrinfo", addresses)
        yield port


@pytest.mark.usefixtures("kind")
def test_the_addresses_of_a_host_share_the_time_of_a_call(silent: int) -> None:
    ended = threading.Event()
    ticks = count()

    def tick() -> None:
        while not ended.wait(0.1):
            next(ticks)

    clock = threading.Thread(target=tick)
    clock.start()
    with ExitStack() as ends:
        ends.callback(clock.join)
        ends.callback(ended.set)
        with (
            connect(f"http://many.invalid:{silent}/main", timeout_s=1.0) as client,
            pytest.raises(failures.Unreachable),
        ):
            client.query("SELECT 1")

    assert next(ticks) < 40, "each address had all of it"


@pytest.mark.usefixtures("kind")
def test_an_address_that_is_silent_is_followed_by_one_that_answers(
    silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "ADDRESSES", [ADDRESSES[0], ANSWERING])
    with socket.socket() as listener:
        listener.bind((ANSWERING, silent))
        listener.listen()
        server = threading.Thread(target=answer_one, args=(listener,))
        server.start()
        with connect(f"http://many.invalid:{silent}/main", timeout_s=10.0) as client:
            assert client.query("SELECT 1").rows == [(1,)]
        server.join()


def answer_one(listener: socket.socket) -> None:
    connection, _address = listener.accept()
    with connection:
        socket_server.request_of(connection)
        connection.sendall(answer(200, REPLY))


FORKS = """
import os, sys
from sqlatch.client import connect

client = connect(sys.argv[1], timeout_s=20)
client.query("SELECT 1")
if os.fork() == 0:
    client.query("SELECT 1")
    client.close()
    os._exit(0)
assert os.wait()[1] == 0
client.query("SELECT 1")
"""


@pytest.mark.parametrize("transport", ["http", "lambda"])
def test_a_child_process_has_a_connection_of_its_own_and_leaves_the_parents(
    transport: str, lambda_api: LambdaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket_server.running(KEPT, keeps=True) as server:
        url = url_of(server)
        if transport == "lambda":
            monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", url.removesuffix("/main"))
            url = f"lambda://{FUNCTION}/main"
        subprocess.run(
            [sys.executable, "-W", "error", "-c", FORKS, url], cwd=ROOT, check=True, timeout=60
        )

    assert len(server.requests) == 3
    assert server.connections == 2
