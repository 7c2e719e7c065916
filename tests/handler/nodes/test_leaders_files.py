"""The keys of the leader at a node that follows it."""

import base64
import json
from contextlib import closing

import pytest

from handler.nodes.leaders_files import LeadersFiles
from sqlatch.errors import LeaderUnreachable
from sqlatch.kernel.node import Nodes
from storage.nodes import ForLeader
from tests.sqlatch import socket_server

KEYS = json.dumps({"key": base64.b64encode(b"k" * 32).decode(), "token_keys": "a key"}).encode()


def answer(status: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def test_the_keys_are_asked_for_once() -> None:
    with (
        socket_server.running(answer("200 OK", KEYS), keeps=True) as server,
        closing(Nodes([f"http://127.0.0.1:{server.port}"], "secret")) as nodes,
    ):
        files = LeadersFiles(nodes)
        assert files.key() == b"k" * 32
        assert files.token_keys == "a key"
        assert len(server.requests) == 1
    assert b"authorization: Bearer secret" in server.requests[0]


def test_a_leader_that_refuses_says_what_to_look_at() -> None:
    with (
        socket_server.running(answer("401 Unauthorized", b"{}")) as server,
        closing(Nodes([f"http://127.0.0.1:{server.port}"])) as nodes,
        pytest.raises(LeaderUnreachable, match="SQLATCH_LOG_TOKEN"),
    ):
        LeadersFiles(nodes).key()


def test_what_is_kept_in_files_is_for_the_leader() -> None:
    with closing(Nodes(["http://127.0.0.1:9"])) as nodes:
        files = LeadersFiles(nodes)
        for call in (
            lambda: files.put("log", b""),
            lambda: files.append("log-1", 0, b""),
            lambda: files.touch("log-1"),
            lambda: files.get("log-1"),
        ):
            with pytest.raises(ForLeader):
                call()
        assert files.clear(0.0) == 0
