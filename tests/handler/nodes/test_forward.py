"""A request sent on to the leader: what of it travels, and what is said if nobody answers."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from handler.nodes import forward
from handler.record import Record
from handler.service import Service
from handler.settings import Settings
from handler.streams import DOOR
from sqlatch.errors import BadEvent, LeaderUnreachable
from tests.local_server import event
from tests.sqlatch import socket_server
from tests.sqlatch.socket_server import SocketServer

REPLY = b'{"rows": []}'
OK = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nsqlatch-position: 0000000000000007\r\n"
    b"x-of-the-connection: 1\r\ncontent-length: 12\r\n\r\n" + REPLY
)
REFUSAL = b'{"error": {"code": "LEASE_BUSY", "message": "taken", "retryable": true}}'
BUSY = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: %d\r\n\r\n" % len(REFUSAL) + REFUSAL


@contextmanager
def node(
    tmp_path: Path, *answers: bytes | None, keeps: bool = False
) -> Iterator[tuple[Service, SocketServer]]:
    with socket_server.running(*answers, keeps=keeps) as server:
        service = Service(
            Settings(log=f"http://127.0.0.1:{server.port}", copies=tmp_path, log_token="ours")
        )
        try:
            yield service, server
        finally:
            service.leader.close()


def forwarded(service: Service, record: Record, **headers: str) -> dict[str, Any]:
    asked = event("INSERT INTO t VALUES (1)")
    asked["headers"] |= headers
    ends_at_s = service.clock.now() + 5
    return forward.http_request(service, asked, record, ends_at_s=ends_at_s)


def record() -> Record:
    return Record(function_request_id="r", door="http", database="main")


def test_the_request_goes_on_as_it_came_and_the_answer_comes_back(tmp_path: Path) -> None:
    with node(tmp_path, OK) as (service, server):
        noted = record()
        answer = forwarded(
            service,
            noted,
            **{"authorization": "Bearer theirs", "idempotency-key": "k", "x-of-theirs": "1"},
        )
    sent = server.requests[0]
    assert sent.startswith(b"POST /query HTTP/1.1\r\n")
    assert sent.endswith(json.dumps({"query": "INSERT INTO t VALUES (1)"}).encode())
    assert b"authorization: Bearer theirs\r\n" in sent
    assert b"idempotency-key: k\r\n" in sent
    assert b"sqlatch-hops: 1\r\n" in sent
    assert b"x-of-theirs" not in sent
    assert answer["statusCode"] == 200
    assert answer["headers"] == {
        "content-type": "application/json",
        "sqlatch-position": "0000000000000007",
    }
    assert noted.position == "0000000000000007"
    assert noted.kind == "forward"


def test_a_leader_that_is_not_there_has_written_nothing(tmp_path: Path) -> None:
    service = Service(Settings(log="http://127.0.0.1:9", copies=tmp_path))
    answer = forwarded(service, record())
    error = json.loads(answer["body"])["error"]
    assert (answer["statusCode"], error["code"]) == (503, "LEADER_UNREACHABLE")
    assert error["outcome"] == "nothing"
    assert error["retryable"]


def test_a_libsql_client_is_told_in_the_form_of_its_protocol(tmp_path: Path) -> None:
    service = Service(Settings(log="http://127.0.0.1:9", copies=tmp_path))
    answer = forwarded(service, Record(function_request_id="r", door=DOOR, database="main"))
    said = json.loads(answer["body"])
    assert (answer["statusCode"], said["code"]) == (503, "LEADER_UNREACHABLE")
    assert "127.0.0.1:9" in said["message"]


def test_of_an_answer_that_does_not_come_the_outcome_is_unknown(tmp_path: Path) -> None:
    with node(tmp_path, b"") as (service, _server):
        answer = forwarded(service, record())
    error = json.loads(answer["body"])["error"]
    assert (error["code"], error["outcome"]) == ("LEADER_UNREACHABLE", "unknown")


def test_a_request_with_a_key_is_not_sent_again_when_a_kept_connection_ends(tmp_path: Path) -> None:
    """The first may have written; what is said of a second one would be no word on that."""
    with node(tmp_path, OK, BUSY, keeps=True) as (service, server):
        forwarded(service, record())
        server.ends_behind_request = 2
        answer = forwarded(service, record(), **{"idempotency-key": "k"})
    assert len(server.requests) == 2
    error = json.loads(answer["body"])["error"]
    assert (error["code"], error["outcome"]) == ("LEADER_UNREACHABLE", "unknown")


def test_nodes_that_send_a_request_in_a_circle_are_told(tmp_path: Path) -> None:
    with node(tmp_path, OK) as (service, server):
        answer = forwarded(service, record(), **{"sqlatch-hops": str(forward.HOPS_MAX)})
    assert not server.requests
    assert "which one does" in answer["body"]


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"query": "SELECT 1", "database": "main"}, b"POST /query "),
        ({"pipeline": {"requests": []}, "database": "main"}, b"POST /main/v3/pipeline "),
    ],
)
def test_a_direct_request_goes_over_http_with_the_token_of_the_node(
    tmp_path: Path, asked: dict[str, Any], line: bytes
) -> None:
    with node(tmp_path, OK) as (service, server):
        ends_at_s = service.clock.now() + 5
        assert forward.direct(service, asked, record(), ends_at_s=ends_at_s) == {"rows": []}
    assert server.requests[0].startswith(line)
    assert b"authorization: Bearer ours" in server.requests[0]


def test_an_error_of_the_leader_is_raised_for_a_direct_caller(tmp_path: Path) -> None:
    body = b'{"error": {"code": "LEADER_UNREACHABLE", "message": "m", "retryable": true}}'
    refusal = f"HTTP/1.1 503 x\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
    with node(tmp_path, refusal) as (service, _server), pytest.raises(LeaderUnreachable):
        forward.direct(service, {"query": "x"}, record(), ends_at_s=service.clock.now() + 5)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("502 x", b"<html>Bad Gateway</html>"),
        ("500 x", b'{"message": "Internal"}'),
        ("200 OK", b"x"),
    ],
)
def test_what_is_no_reply_is_not_taken_for_one(tmp_path: Path, status: str, body: bytes) -> None:
    answer = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
    with node(tmp_path, answer) as (service, _server), pytest.raises(LeaderUnreachable) as refused:
        forward.direct(service, {"query": "x"}, record(), ends_at_s=service.clock.now() + 5)
    assert refused.value.outcome == "unknown"


def test_a_refusal_of_the_protocol_is_told_to_a_direct_caller(tmp_path: Path) -> None:
    body = b'{"message": "m", "code": "STREAM_CLOSED"}'
    answer = f"HTTP/1.1 400 x\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
    pipeline = {"pipeline": {"requests": []}, "database": "main"}
    with node(tmp_path, answer) as (service, _server), pytest.raises(BadEvent) as refused:
        forward.direct(service, pipeline, record(), ends_at_s=service.clock.now() + 5)
    assert refused.value.refusal == "STREAM_CLOSED"


def test_hops_that_are_no_number_are_refused_as_too_many(tmp_path: Path) -> None:
    with node(tmp_path, OK) as (service, server):
        answer = forwarded(service, record(), **{"sqlatch-hops": "many"})
    assert answer["statusCode"] == 503
    assert not server.requests


def test_a_signature_is_not_sent_on_but_replaced_by_the_token_of_the_node(tmp_path: Path) -> None:
    with node(tmp_path, OK) as (service, server):
        forwarded(service, record(), authorization="AWS4-HMAC-SHA256 Credential=x")
    assert b"authorization: Bearer ours\r\n" in server.requests[0]
    assert b"AWS4" not in server.requests[0]
