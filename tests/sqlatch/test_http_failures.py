"""Failures over HTTP: one class each, none repeated unless safe."""

import gzip
import json
from typing import Any

import pytest

from sqlatch import failures
from sqlatch.errors import LeaseBusy, SqlatchError, StorageError
from sqlatch.failures import CallFailed
from sqlatch.transports import door
from tests.sqlatch import socket_server
from tests.sqlatch.conftest import connect, connected

pytestmark = pytest.mark.usefixtures("kind")

REPLY = json.dumps({
    "columns": ["n"], "rows": [[1]], "rows_affected": 0, "last_insert_rowid": None, "meta": {}
}).encode()  # fmt: skip
INSERT = "INSERT INTO t VALUES (1)"


def answer(status: int, body: bytes, *headers: str, length: int | None = None) -> bytes:
    head = [
        f"HTTP/1.1 {status} X",
        f"content-length: {len(body) if length is None else length}",
        "connection: close",
        *headers,
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def error(code: str, *, retryable: bool, **facts: Any) -> bytes:
    body = {"code": code, "message": "m", "retryable": retryable, **facts}
    return answer(503, json.dumps({"error": body}).encode())


GZIPPED = gzip.compress(REPLY)
CHUNKED = b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n"

FAILURES: dict[str, tuple[bytes | None, type[CallFailed]]] = {
    "silence": (None, failures.CallTimedOut),
    "hung up": (b"", failures.AnswerCutOff),
    "half a head": (b"HTTP/1.1 200 OK\r\ncontent-le", failures.AnswerCutOff),
    "half a body": (answer(200, REPLY[:40], length=len(REPLY)), failures.AnswerCutOff),
    "half a chunk": (CHUNKED + b"ff\r\n{", failures.AnswerCutOff),
    "no last chunk": (CHUNKED + b"2\r\n{}\r\n", failures.AnswerCutOff),
    "half a gzip, said to be whole": (
        answer(200, GZIPPED[:20], "content-encoding: gzip"),
        failures.AnswerCutOff,
    ),
    "no gzip": (answer(200, REPLY, "content-encoding: gzip"), failures.AnswerCutOff),
    "no http": (b"SSH-2.0-OpenSSH_9.9\r\n", failures.AnswerCutOff),
    "a page": (answer(200, b"<html>"), failures.UnexpectedAnswer),
    "a list": (answer(200, b"[1]"), failures.UnexpectedAnswer),
    "another reply": (answer(200, b'{"rows": 1}'), failures.UnexpectedAnswer),
    "half a reply": (answer(200, REPLY[:40]), failures.AnswerCutOff),
    "nothing": (answer(200, b""), failures.AnswerCutOff),
    "elsewhere": (
        answer(307, b"", "location: http://127.0.0.1:9/main"),
        failures.UnexpectedAnswer,
    ),
    "forbidden": (answer(403, b'{"message":"Forbidden"}'), failures.NotPermitted),
    "a token that a JWT authorizer refused": (
        answer(401, b'{"message":"Unauthorized"}'),
        failures.NotPermitted,
    ),
    "no such route": (answer(404, b'{"message":"Not Found"}'), failures.FunctionNotFound),
    "throttled": (answer(429, b'{"message":"Too Many Requests"}'), failures.Throttled),
    "too large": (answer(413, b'{"message":"Too Large"}'), failures.RequestTooLarge),
    "function raised": (
        answer(500, b'{"message":"Internal Server Error"}'),
        failures.FunctionDied,
    ),
    "bad gateway": (answer(502, b"<html>"), failures.FunctionDied),
    "30 s were over": (answer(503, b'{"message":"Service Unavailable"}'), failures.FunctionDied),
    "gateway timeout": (answer(504, b""), failures.CallTimedOut),
}


def url_of(server: socket_server.SocketServer) -> str:
    return f"http://127.0.0.1:{server.port}/main"


def attempt_s(answer: bytes | None) -> float:
    """Return how long an attempt waits: for an answer as long as it takes, for silence not."""
    return 20.0 if answer is not None else 0.3


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_is_one_class_with_its_outcome(failure: str) -> None:
    bytes_, kind = FAILURES[failure]

    with (
        socket_server.running(bytes_) as server,
        connected(url_of(server), attempt_s=attempt_s(bytes_)) as client,
        pytest.raises(CallFailed) as failed,
    ):
        client.execute(INSERT)

    assert type(failed.value) is kind
    assert failed.value.facts["outcome"] == kind.outcome_unless_told
    assert (len(server.requests) > 1) is kind.retryable


@pytest.mark.parametrize(
    "failure", [name for name in FAILURES if FAILURES[name][1].retryable and FAILURES[name][0]]
)
def test_what_passes_is_repeated_with_the_same_key(failure: str) -> None:
    bytes_, _kind = FAILURES[failure]

    with (
        socket_server.running(bytes_, bytes_, answer(200, REPLY)) as server,
        connected(url_of(server)) as client,
    ):
        assert client.execute(INSERT).rows == [(1,)]

    bodies = {request.partition(b"\r\n\r\n")[2] for request in server.requests}
    assert len(server.requests) == 3
    assert len(bodies) == 1
    assert b"idempotency_key" in bodies.pop()


@pytest.mark.parametrize("failure", [name for name in FAILURES if FAILURES[name][1].retryable])
def test_a_write_without_a_key_is_repeated_only_if_nothing_was_done(failure: str) -> None:
    bytes_, kind = FAILURES[failure]

    with (
        socket_server.running(bytes_) as server,
        connected(url_of(server), attempt_s=attempt_s(bytes_)) as client,
        pytest.raises(kind),
    ):
        client.ask({"query": INSERT})

    assert (len(server.requests) > 1) is (kind.outcome_unless_told == failures.NOTHING)


REFUSALS: list[tuple[bytes, type[SqlatchError], bool]] = [
    (error("LEASE_BUSY", retryable=True, holder="a:1"), LeaseBusy, True),
    (error("STORAGE_ERROR", retryable=True), StorageError, True),
    (error("STORAGE_ERROR", retryable=True, outcome="unknown"), StorageError, False),
]


@pytest.mark.parametrize(("bytes_", "kind", "repeated"), REFUSALS)
def test_a_refusal_that_may_pass_is_repeated_unless_it_may_have_been_applied(
    bytes_: bytes, kind: type[SqlatchError], *, repeated: bool
) -> None:
    with (
        socket_server.running(bytes_) as server,
        connected(url_of(server), attempt_s=attempt_s(bytes_)) as client,
    ):
        with pytest.raises(kind):
            client.ask({"query": INSERT})
        asked = len(server.requests)
        with pytest.raises(kind):
            client.execute(INSERT)

    assert (asked > 1) is repeated
    assert len(server.requests) - asked > 1, "with a key it always is"


def test_a_connection_refused_is_repeated_and_nothing_was_done() -> None:
    with (
        connected("http://127.0.0.1:9/main") as client,
        pytest.raises(failures.Unreachable) as failed,
    ):
        client.ask({"query": INSERT})

    assert failed.value.facts["outcome"] == "nothing"
    assert failed.value.__cause__ is not None


def test_a_host_that_no_name_server_knows_is_unreachable() -> None:
    with (
        connect("http://sqlatch.invalid/main", timeout_s=1.0, attempt_s=1.0) as client,
        pytest.raises(failures.Unreachable),
    ):
        client.execute(INSERT)


def test_an_answer_without_end_is_not_read_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert door.ANSWER_BYTES_MAX == 256 * 1024 * 1024
    monkeypatch.setattr(door, "ANSWER_BYTES_MAX", 8 * 1024 * 1024)
    bomb = gzip.compress(b" " * 10 * 1024 * 1024, 1)

    with (
        socket_server.running(answer(200, bomb, "content-encoding: gzip")) as server,
        connected(url_of(server)) as client,
        pytest.raises(failures.UnexpectedAnswer, match="more bytes than the limit of 8,388,608"),
    ):
        client.query("SELECT 1")
