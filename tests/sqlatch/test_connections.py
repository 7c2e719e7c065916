"""Connections that are kept: used again, and made anew where the other end has gone."""

import subprocess
import sys
from pathlib import Path

import pytest

from sqlatch.client import connect
from tests.sqlatch import socket_server
from tests.sqlatch.conftest import connected
from tests.sqlatch.lambda_server import FUNCTION, LambdaServer
from tests.sqlatch.test_http_failures import REPLY, answer, url_of

ROOT = Path(__file__).parents[2]

KEPT = answer(200, REPLY).replace(b"connection: close", b"connection: keep-alive")


def test_a_client_that_is_made_asks_nothing() -> None:
    with socket_server.running(KEPT) as server:
        for options in ({"token": "t"}, {"iam": False}, {}):
            connect(url_of(server), **options).close()

    assert server.requests == []


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
