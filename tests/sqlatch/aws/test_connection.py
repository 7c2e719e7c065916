"""A kept connection: what is sent again and what is not, what ends in time, what is half."""

import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from sqlatch.kernel.aws import connection as subject
from sqlatch.kernel.aws.connection import Connection
from sqlatch.kernel.aws.endpoint import Endpoint
from sqlatch.kernel.aws.errors import AwsError, CutOff, Garbled, NotConnected, TimedOut
from sqlatch.kernel.aws.signature import Request
from tests.sqlatch import socket_server
from tests.sqlatch.socket_server import request_of

ASK = Request("POST", headers={"host": "h"}, body=b"{}")
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
LONG = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: the connection ends in a reset."""


@contextmanager
def connected(port: int) -> Iterator[Connection]:
    connection = Connection(Endpoint("127.0.0.1", port, is_tls=False, region="r"))
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def serving(serve: Callable[[socket.socket, int], None]) -> Iterator[tuple[int, list[int]]]:
    """The port of a server that does that with each connection, and the numbers of these."""
    numbers: list[int] = []
    threads: list[threading.Thread] = []
    ends = threading.Event()

    def one(accepted: socket.socket, number: int) -> None:
        accepted.settimeout(30)
        with accepted, suppress(OSError):
            serve(accepted, number)

    def accept(listener: socket.socket) -> None:
        while True:
            accepted, _address = listener.accept()
            if ends.is_set():
                accepted.close()
                return
            numbers.append(len(numbers))
            threads.append(threading.Thread(target=one, args=(accepted, numbers[-1])))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=accept, args=(listener,))
        server.start()
        try:
            yield listener.getsockname()[1], numbers
        finally:
            ends.set()
            socket.create_connection(listener.getsockname()).close()
            for thread in (server, *threads):
                thread.join()


def _only_read(accepted: socket.socket) -> None:
    request_of(accepted)


def test_a_connection_is_kept_between_calls() -> None:
    with socket_server.running(WHOLE, keeps=True) as server, connected(server.port) as kept:
        for _call in range(3):
            assert kept.ask(ASK).body == b"{}"

    assert (server.connections, len(server.requests)) == (1, 3)


@pytest.mark.parametrize("how", ["end", "reset"])
def test_a_request_over_a_kept_connection_that_has_ended_is_sent_once_more(how: str) -> None:
    requests = []

    def serve(accepted: socket.socket, number: int) -> None:
        requests.append(request_of(accepted))
        accepted.sendall(WHOLE)
        # The second request is read, so it has arrived; and nothing is said to it.
        requests.append(request_of(accepted))
        if number == 0 and how == "reset":
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    with serving(serve) as (port, connections), connected(port) as kept:
        assert [kept.ask(ASK).status for _call in range(2)] == [200, 200]
        kept.close()

    assert len(connections) == 2
    assert [request for request in requests if request] == [requests[0]] * 3


def test_what_a_server_says_unasked_is_not_taken_for_an_answer() -> None:
    # Some tell an idle client so that they will close its connection.
    idle, said = threading.Event(), threading.Event()

    def serve(accepted: socket.socket, number: int) -> None:
        request_of(accepted)
        accepted.sendall(WHOLE)
        if number == 0:
            idle.wait(30)
            accepted.sendall(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
            said.set()
            request_of(accepted)

    with serving(serve) as (port, connections), connected(port) as kept:
        kept.ask(ASK)
        idle.set()
        assert said.wait(30)
        assert kept.ask(ASK).status == 200

    assert len(connections) == 2


def test_a_request_over_a_new_connection_is_not_sent_again() -> None:
    with (
        serving(lambda accepted, _number: _only_read(accepted)) as (port, connections),
        connected(port) as fresh,
        pytest.raises(CutOff, match="before its answer was whole"),
    ):
        fresh.ask(ASK)

    assert len(connections) == 1


def test_a_request_is_not_sent_again_once_an_answer_has_begun() -> None:
    def serve(accepted: socket.socket, number: int) -> None:
        request_of(accepted)
        accepted.sendall(WHOLE)
        request_of(accepted)
        accepted.sendall(WHOLE[:1])

    with serving(serve) as (port, connections), connected(port) as kept:
        kept.ask(ASK)
        with pytest.raises(CutOff):
            kept.ask(ASK)

    assert len(connections) == 1


def test_a_request_is_sent_twice_at_most() -> None:
    def serve(accepted: socket.socket, number: int) -> None:
        request_of(accepted)
        if number == 0:
            accepted.sendall(WHOLE)
            request_of(accepted)

    with serving(serve) as (port, connections), connected(port) as kept:
        kept.ask(ASK)
        with pytest.raises(CutOff):
            kept.ask(ASK)

    assert len(connections) == 2


def test_what_was_sent_may_have_arrived_though_it_cannot_be_sent_once_more() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve() -> None:
            accepted, _address = listener.accept()
            with accepted:
                request_of(accepted)
                accepted.sendall(WHOLE)
                listener.close()
                request_of(accepted)

        server = threading.Thread(target=serve)
        server.start()
        with connected(port) as kept:
            kept.ask(ASK)
            with pytest.raises(CutOff, match="no connection to"):
                kept.ask(ASK)
        server.join()


def test_a_silent_server_costs_no_more_than_the_caller_s_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subject, "SILENCE_S", 30.0)
    with (
        socket_server.running(None) as server,
        connected(server.port) as asked,
        pytest.raises(TimedOut),
    ):
        asked.ask(ASK, deadline_s=time.time() + 0.2)

    assert len(server.requests) == 1


def test_a_silent_server_is_left_without_a_deadline_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "SILENCE_S", 0.2)
    with (
        socket_server.running(None) as server,
        connected(server.port) as asked,
        pytest.raises(TimedOut),
    ):
        asked.ask(ASK)


def test_a_server_that_falls_silent_over_a_kept_connection_is_not_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Whether the request has arrived is not known, and the time is gone.
    monkeypatch.setattr(subject, "SILENCE_S", 0.2)
    ends = threading.Event()

    def serve(accepted: socket.socket, number: int) -> None:
        request_of(accepted)
        accepted.sendall(WHOLE)
        request_of(accepted)
        ends.wait(30)

    with serving(serve) as (port, connections), connected(port) as kept:
        kept.ask(ASK)
        with pytest.raises(TimedOut):
            kept.ask(ASK)
        ends.set()

    assert len(connections) == 1


def test_nothing_is_sent_past_the_deadline() -> None:
    with (
        socket_server.running(WHOLE) as server,
        connected(server.port) as asked,
        pytest.raises(NotConnected, match="no time is left"),
    ):
        asked.ask(ASK, deadline_s=time.time() - 1)

    assert server.requests == []


@pytest.mark.parametrize("trickle", [WHOLE[:9], LONG, CHUNKED, CHUNKED + b"fff\r\n"])
def test_an_answer_that_trickles_ends_with_the_deadline(trickle: bytes) -> None:
    ends = threading.Event()

    def serve(accepted: socket.socket, number: int) -> None:
        request_of(accepted)
        accepted.sendall(trickle)
        while not ends.wait(0.02):
            accepted.sendall(b"0")

    with serving(serve) as (port, _connections), connected(port) as asked:
        try:
            with pytest.raises(TimedOut):
                asked.ask(ASK, deadline_s=time.time() + 0.3)
        finally:
            ends.set()


def test_nobody_at_the_address_is_not_connected() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with connected(bound.getsockname()[1]) as asked, pytest.raises(NotConnected):
            asked.ask(ASK)


def test_a_host_without_an_address_is_not_connected() -> None:
    connection = Connection(Endpoint("nowhere.invalid", 80, is_tls=False, region="r"))

    with pytest.raises(NotConnected, match=r"nowhere\.invalid"):
        connection.ask(ASK)


HALVES = [WHOLE[:end] for end in range(1, len(WHOLE))]
CHUNKS = CHUNKED + b"2\r\n{}\r\n0\r\n\r\n"


@pytest.mark.parametrize("half", [*HALVES, *(CHUNKS[:end] for end in range(50, len(CHUNKS)))])
def test_half_an_answer_is_cut_off(half: bytes) -> None:
    with (
        socket_server.running(half) as server,
        connected(server.port) as asked,
        pytest.raises(CutOff),
    ):
        asked.ask(ASK)


NOT_HTTP: dict[str, bytes] = {
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "another version": b"HTTP/2 200 OK\r\n\r\n",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "a long status": b"HTTP/1.1 2000 OK\r\n\r\n",
    "no length": b"HTTP/1.1 200 OK\r\n\r\n{}",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{} ",
    "a negative length": b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n{}",
    "a length with underscores": b"HTTP/1.1 200 OK\r\ncontent-length: 1_0\r\n\r\n0123456789",
    "a length too long": b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",
    "no header": b"HTTP/1.1 200 OK\r\nnothing\r\n\r\n",
    "a folded header": b"HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n",
    "a head without an end": b"HTTP/1.1 200 OK\r\na: " + b"x" * 200_000,
    "packed": b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "no size of a chunk": CHUNKED + b"\r\n{}\r\n0\r\n\r\n",
    "a chunk that is longer": CHUNKED + b"1\r\n{}\r\n0\r\n\r\n",
    "garbage": bytes(range(256)) * 600,
}


@pytest.mark.parametrize("case", NOT_HTTP)
def test_what_is_no_answer_is_garbled(case: str) -> None:
    with (
        socket_server.running(NOT_HTTP[case]) as server,
        connected(server.port) as asked,
        pytest.raises(AwsError) as failed,
    ):
        asked.ask(ASK)

    assert failed.type is Garbled


def test_answers_in_pieces_with_and_without_length_are_read() -> None:
    continued = b"HTTP/1.1 100 Continue\r\n\r\n"
    nothing = b"HTTP/1.1 204 No Content\r\n\r\n"
    headed = b"HTTP/1.1 200 OK\r\nA:  b \r\na: c\r\ncontent-length: 0\r\n\r\n"
    extended = CHUNKED + b"2;x=y\r\n{}\r\n3\r\nabc\r\n0\r\nt: u\r\n\r\n"

    def one(content: bytes) -> tuple[int, bytes, dict[str, str]]:
        def serve(accepted: socket.socket, number: int) -> None:
            request_of(accepted)
            for byte in content:
                accepted.sendall(bytes([byte]))

        with serving(serve) as (port, _connections), connected(port) as asked:
            answer = asked.ask(ASK)
        return answer.status, answer.body, answer.headers

    assert one(continued + WHOLE)[:2] == (200, b"{}")
    assert one(nothing)[:2] == (204, b"")
    assert one(headed) == (200, b"", {"a": "b, c", "content-length": "0"})
    assert one(extended)[:2] == (200, b"{}abc")


@pytest.mark.parametrize(
    "last",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        WHOLE + b"more",
    ],
)
def test_a_connection_that_takes_no_further_request_is_not_kept(last: bytes) -> None:
    with socket_server.running(last, keeps=True) as server, connected(server.port) as asked:
        for _call in range(2):
            assert asked.ask(ASK).body == b"{}"

    assert server.connections == 2


def test_a_connection_that_was_idle_for_long_is_not_used_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket_server.running(WHOLE, keeps=True) as server, connected(server.port) as kept:
        kept.ask(ASK)
        now_s = time.time() + subject.IDLE_S + 1
        monkeypatch.setattr(time, "time", lambda: now_s)
        kept.ask(ASK)
        monkeypatch.setattr(time, "time", lambda: now_s - 3600)  # a snapshot, restored
        kept.ask(ASK)

    assert server.connections == 3


def test_a_fork_makes_a_connection_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket_server.running(WHOLE, keeps=True) as server, connected(server.port) as kept:
        kept.ask(ASK)
        child = os.fork()
        if child == 0:
            try:
                os._exit(0 if kept.ask(ASK).status == 200 else 1)
            finally:
                os._exit(2)
        _child, status = os.waitpid(child, 0)
        kept.ask(ASK)

    assert os.waitstatus_to_exitcode(status) == 0
    assert (server.connections, len(server.requests)) == (2, 3)


def test_threads_have_connections_of_their_own() -> None:
    both = threading.Barrier(2)

    def serve(accepted: socket.socket, number: int) -> None:
        while request_of(accepted):
            both.wait(30)
            accepted.sendall(WHOLE)

    with serving(serve) as (port, connections), connected(port) as shared:
        statuses: list[int] = []
        for _round in range(3):
            threads = [
                threading.Thread(target=lambda: statuses.append(shared.ask(ASK).status))
                for _thread in range(2)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    assert statuses == [200] * 6
    assert len(connections) == 2


def test_an_answer_that_comes_before_the_request_was_read_is_taken() -> None:
    refusal = b"HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"

    def serve(accepted: socket.socket, number: int) -> None:
        accepted.recv(1000)
        accepted.sendall(refusal)
        accepted.shutdown(socket.SHUT_WR)
        while accepted.recv(1 << 20):
            pass

    with serving(serve) as (port, _connections), connected(port) as asked:
        large = Request("PUT", headers={"host": "h"}, body=bytes(20_000_000))
        assert asked.ask(large).status == 403


def test_a_large_request_arrives_whole() -> None:
    body = os.urandom(3_000_000)
    with socket_server.running(WHOLE) as server, connected(server.port) as asked:
        asked.ask(Request("PUT", headers={"host": "h"}, body=body))

    assert server.requests[0].endswith(b"content-length: 3000000\r\n\r\n" + body)


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\rb"])
def test_a_header_cannot_hold_another(value: str) -> None:
    with (
        socket_server.running(WHOLE) as server,
        connected(server.port) as asked,
        pytest.raises(ValueError, match="end of a line"),
    ):
        asked.ask(Request("GET", headers={"a": value}))

    assert server.requests == []
