"""Connections that are kept: used again, and made anew where the other end has gone."""

from sqlatch.client import connect
from tests.sqlatch import socket_server
from tests.sqlatch.conftest import connected
from tests.sqlatch.test_http_failures import REPLY, answer, url_of

KEPT = answer(200, REPLY).replace(b"connection: close", b"connection: keep-alive")


def test_a_connection_is_used_again() -> None:
    with socket_server.running(KEPT, keeps=True) as server, connect(url_of(server)) as client:
        for _call in range(5):
            client.query("SELECT 1")

    assert len(server.requests) == 5
    assert server.connections == 1


def test_an_end_that_said_it_would_stay_and_went_costs_no_error() -> None:
    with socket_server.running(KEPT) as server, connected(url_of(server)) as client:
        for _call in range(5):
            client.execute("INSERT INTO t VALUES (1)")

    assert server.connections >= 5
