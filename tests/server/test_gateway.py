"""The gateway: what it hands to the service, and what of web pages it refuses."""

import json
import socket
import struct
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest

from sqlatch.server.gateway import FORM_TYPES
from sqlatch.server.http import BODY_BYTES_MAX, Server
from tests import local_server
from tests.conftest import Ask

PAGE = "http://localhost:5173"


@pytest.fixture
def server(environment: dict[str, str]) -> Iterator[HTTPConnection]:
    server = Server(local_server.answer, 0, origins=[PAGE])
    with local_server.running(server):
        connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
        yield connection
        connection.close()


def test_the_server_speaks_http(server: HTTPConnection) -> None:
    def ask(method: str, path: str, body: str | None = None) -> tuple[int, Any]:
        server.request(method, path, body)
        answer = server.getresponse()
        assert answer.headers["content-type"] == "application/json"
        return answer.status, json.loads(answer.read())

    assert ask("GET", "/health")[1]["status"] == "ok"
    assert ask("POST", "/query", '{"query": "CREATE TABLE t AS SELECT 1 AS n"}')[0] == 200
    assert ask("POST", "/read", '{"query": "SELECT n FROM t"}')[1]["rows"] == [[1]]
    assert ask("POST", "/read", '{"query": "DELETE FROM t"}')[0] == 403
    assert ask("POST", "/query", "{")[0] == 400
    assert ask("GET", "/nope")[0] == 404


def raw(server: HTTPConnection, *lines: str, body: str = "") -> tuple[int, str]:
    """Send a request as it stands; return the status and the whole answer."""
    with socket.create_connection((server.host, server.port), timeout=10) as connection:
        head = "\r\n".join([*lines, "connection: close", "", body])
        connection.sendall(head.encode())
        answer = b""
        while part := connection.recv(65_536):
            answer += part
    return int(answer.split()[1]), answer.decode()


WRITE = '{"query": "CREATE TABLE t (n)"}\r\n'


FOREIGN: dict[str, tuple[list[str], int]] = {
    "a page of another site": (["host: 127.0.0.1", "origin: https://evil.example"], 403),
    "a page of no site": (["host: 127.0.0.1", "origin: null"], 403),
    "a page on another port": (["host: localhost:8000", "origin: http://localhost:9000"], 403),
    "a name that leads here": (["host: evil.example"], 403),
    "that name as its own origin": (["host: evil.example", "origin: http://evil.example"], 403),
    "no host": ([], 403),
    **{f"a form's {kind}": (["host: localhost", f"content-type: {kind}"], 415)
       for kind in FORM_TYPES},
    "a method that is none": (["host: localhost"], 501),
    "a negative length": (["host: localhost", "content-length: -1"], 400),
    "a length that is none": (["host: localhost", "content-length: 1_0"], 400),
    "chunks that are none": (["host: localhost", "transfer-encoding: chunked"], 400),
    "an unknown coding": (["host: localhost", "transfer-encoding: gzip"], 501),
    "a body past all limits": (
        ["host: localhost", f"content-length: {BODY_BYTES_MAX + 1}"], 413
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
def test_what_no_client_of_ones_own_sends_changes_nothing(
    server: HTTPConnection, ask: Ask, name: str
) -> None:
    lines, status = FOREIGN[name]
    if not any(line.startswith(("content-length", "transfer")) for line in lines):
        lines = [*lines, f"content-length: {len(WRITE)}"]

    method = "BREW" if status == 501 and len(lines) == 2 else "POST"
    answered, answer = raw(server, f"{method} /query HTTP/1.1", *lines, body=WRITE)

    assert answered == status, answer
    assert "access-control-allow-origin" not in answer.lower()
    assert ask(health=True)["databases"] == []


@pytest.mark.parametrize("origin", [PAGE, "http://localhost"])
def test_a_page_that_may_call_is_answered_and_told_so(server: HTTPConnection, origin: str) -> None:
    said = ["host: localhost", f"origin: {origin}"]

    asked, preflight = raw(
        server, "OPTIONS /query HTTP/1.1", *said, "access-control-request-method: POST"
    )
    answered, answer = raw(
        server, "POST /query HTTP/1.1", *said, "content-type: application/json",
        f"content-length: {len(WRITE)}", body=WRITE,
    )  # fmt: skip

    assert (asked, answered) == (204, 200)
    for one in (preflight, answer):
        assert f"access-control-allow-origin: {origin}" in one.lower()
        assert "access-control-expose-headers: etag, sqlatch-position" in one.lower()
    assert "access-control-allow-headers: authorization, content-type" in preflight.lower()


def test_a_read_in_a_url_is_answered_as_caches_understand_it(server: HTTPConnection) -> None:
    server.request("POST", "/query", WRITE)
    assert server.getresponse().read()
    asked = ["GET /read?query=SELECT%20n%20FROM%20t&max_age_ms=5000 HTTP/1.1", "host: localhost"]
    status, first = raw(server, *asked)
    etag = next(line for line in first.split("\r\n") if line.lower().startswith("etag: "))[6:]
    known = f"if-none-match: {etag}"

    again = raw(server, *asked, known)
    head = raw(server, asked[0].replace("GET", "HEAD"), asked[1])
    by_a_page = raw(server, *asked, known, f"origin: {PAGE}")

    assert (status, again[0], head[0], by_a_page[0]) == (200, 304, 200, 304)
    assert [one.endswith("\r\n\r\n") for one in (again[1], head[1])] == [True, True]
    assert "content-length" not in again[1].lower()
    for one in (first, again[1], head[1], by_a_page[1]):
        assert "max-age=5, must-revalidate" in one
        assert "vary: accept-encoding, authorization, origin, sqlatch-at-least" in one.lower()
    assert f"access-control-allow-origin: {PAGE}" in by_a_page[1].lower()


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (["sec-fetch-site: cross-site"], 403),
        (["sec-fetch-site: same-site"], 403),
        (["sec-fetch-site: same-site", f"origin: {PAGE}"], 200),
        (["sec-fetch-site: same-origin"], 200),
        (["sec-fetch-site: none"], 200),
    ],
)
def test_a_page_of_another_site_reads_nothing_as_an_image(
    server: HTTPConnection, ask: Ask, said: list[str], status: int
) -> None:
    ask(query="CREATE TABLE t (n)")

    for path in ("/read?query=SELECT%201", "/main/read?query=SELECT%201"):
        assert raw(server, f"GET {path} HTTP/1.1", "host: localhost", *said)[0] == status


def test_a_refusal_of_the_gateway_is_not_kept(server: HTTPConnection) -> None:
    _status, answer = raw(server, "GET /read?query=SELECT%201 HTTP/1.1", "host: evil.example")

    assert "cache-control: no-store" in answer.lower()


def test_a_client_that_hangs_up_leaves_no_traceback(
    server: HTTPConnection, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_connection((server.host, server.port)) as connection:
        # Closed with a reset, with the answer on its way.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(b"POST /query HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n")
    server.request("GET", "/health")

    assert server.getresponse().status == 200
    assert "Traceback" not in capfd.readouterr().err


def test_other_machines_call_it_by_the_names_it_was_given(environment: dict[str, str]) -> None:
    server = Server(local_server.answer, 0, host="127.0.0.2", names=["Node1.example"])
    with local_server.running(server):
        connection = HTTPConnection("127.0.0.2", server.port, timeout=60)
        answered = {}
        for host in ("node1.example:8000", "127.0.0.2", "localhost", "node2.example"):
            connection.request("GET", "/health", headers={"host": host})
            answer = connection.getresponse()
            answered[host] = answer.status, b"serve --name HOST" in answer.read()
        connection.close()

    assert server.url == f"http://Node1.example:{server.port}"
    assert answered == {
        "node1.example:8000": (200, False), "127.0.0.2": (200, False), "localhost": (200, False),
        "node2.example": (403, True),
    }  # fmt: skip
