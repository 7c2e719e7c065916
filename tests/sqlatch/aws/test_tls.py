"""TLS to AWS: with the system's certificates or those that are given, through a proxy too."""

import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from sqlatch.kernel.aws import tls
from sqlatch.kernel.aws.connection import Connection
from sqlatch.kernel.aws.endpoint import Endpoint
from sqlatch.kernel.aws.errors import AwsError, CutOff, NotConfigured, NotConnected
from sqlatch.kernel.aws.proxy import Proxy, proxy_of
from tests.sqlatch import socket_server
from tests.sqlatch.aws.test_connection import ASK, WHOLE, serving
from tests.sqlatch.socket_server import request_of
from tests.sqlatch.test_tls import breaking, certificate

__all__ = ["certificate"]

AWS = Endpoint("dynamodb.eu-west-1.amazonaws.com", 443, is_tls=True, region="eu-west-1")


@contextmanager
def answering(certificate: Path) -> Iterator[int]:
    """The port of a server with TLS that answers one request after the other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def serve(plain: socket.socket, _number: int) -> None:
        with context.wrap_socket(plain, server_side=True) as secure:
            while request_of(secure):
                secure.sendall(WHOLE)

    with serving(serve) as (port, _numbers):
        yield port


@contextmanager
def tunnelling(refusal: bytes = b"") -> Iterator[tuple[int, list[bytes]]]:
    """The port of a proxy, and what it was asked; it refuses if it is given how."""
    asked: list[bytes] = []

    def serve(client: socket.socket, _number: int) -> None:
        asked.append(request_of(client))
        if refusal:
            client.sendall(refusal)
            return
        host, port = asked[-1].split()[1].decode().rsplit(":", 1)
        with socket.create_connection((host, int(port))) as server:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pour, args=(server, client))
            back.start()
            _pour(client, server)
            back.join()

    with serving(serve) as (port, _numbers):
        yield port, asked


def _pour(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(65_536):
            sink.sendall(part)
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def connected(port: int, proxy: Proxy | None = None) -> Iterator[Connection]:
    connection = Connection(Endpoint("127.0.0.1", port, is_tls=True, region="r"), proxy)
    try:
        yield connection
    finally:
        connection.close()


def test_a_call_over_tls_is_answered_and_its_connection_kept(certificate: Path) -> None:
    with answering(certificate) as port, connected(port) as asked:
        sent = [asked.ask(ASK) for _call in range(3)]

    assert [answer.body for answer in sent] == [b"{}"] * 3


def test_a_directory_named_by_hashes_is_looked_up(
    certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "hashed"
    directory.mkdir()
    command = ["openssl", "x509", "-hash", "-noout", "-in", str(certificate)]
    named = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    (directory / f"{named}.0").write_bytes(certificate.read_bytes())
    monkeypatch.setenv("AWS_CA_BUNDLE", str(directory))

    with answering(certificate) as port, connected(port) as asked:
        assert asked.ask(ASK).status == 200


@pytest.mark.parametrize("trusted", ["the system's", "none"])
def test_a_server_that_is_not_trusted_is_not_connected(
    trusted: str, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.delenv("AWS_CA_BUNDLE")
    if trusted == "none":
        (tmp_path / "empty").mkdir()
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "empty"))

    with (
        answering(certificate) as port,
        connected(port) as asked,
        pytest.raises(NotConnected, match="certificate"),
    ):
        asked.ask(ASK)


def test_a_certificate_of_another_host_is_not_connected(certificate: Path) -> None:
    with answering(certificate) as port:
        connection = Connection(Endpoint("localhost", port, is_tls=True, region="r"))
        with pytest.raises(NotConnected, match="certificate"):
            connection.ask(ASK)


def test_a_bundle_that_is_not_there_is_not_connected(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/nowhere/bundle.pem")

    with (
        answering(certificate) as port,
        connected(port) as asked,
        pytest.raises(NotConnected),
    ):
        asked.ask(ASK)


@pytest.mark.parametrize(
    ("before", "kind"),
    [(None, NotConnected), (b"", CutOff), (WHOLE[:9], CutOff), (WHOLE[:-1], CutOff)],
)
def test_tls_that_breaks_before_the_request_has_sent_nothing(
    certificate: Path, before: bytes | None, kind: type[AwsError]
) -> None:
    with (
        breaking(certificate, before) as port,
        connected(port) as asked,
        pytest.raises(AwsError) as failed,
    ):
        asked.ask(ASK)

    assert failed.type is kind


def test_the_certificates_of_the_system_are_those_that_openssl_takes(tmp_path: Path) -> None:
    default = ssl.get_default_verify_paths()
    places = tls.roots(None, {})

    assert places in ({"capath": default.capath}, None)
    assert tls.roots(None, {"SSL_CERT_FILE": "x"}) is None
    assert tls.roots("/a/bundle.pem", {}) == {"cafile": "/a/bundle.pem"}
    assert tls.roots(str(tmp_path), {}) == {"capath": str(tmp_path)}


def test_a_root_that_a_directory_lacks_is_looked_for_in_the_bundle(
    certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_CA_BUNDLE")
    monkeypatch.setattr(tls, "roots", lambda *_of: {"capath": str(tmp_path)})
    tls.context_of.cache_clear()

    with answering(certificate) as port, connected(port) as asked:
        with pytest.raises(NotConnected, match="certificate"):
            asked.ask(ASK)
        assert asked.ask(ASK).status == 200
    tls.context_of.cache_clear()


def test_a_bundle_that_was_chosen_is_the_only_one(
    certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "empty"))
    (tmp_path / "empty").mkdir()

    with answering(certificate) as port, connected(port) as asked:
        for _call in range(2):
            with pytest.raises(NotConnected, match="certificate"):
                asked.ask(ASK)


def test_a_system_without_certificates_takes_those_of_the_sdk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nothing = ssl.DefaultVerifyPaths(*(None, None, "A", "/nowhere", "B", "/nowhere"))  # type: ignore[arg-type]
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: nothing)

    places = tls.roots(None, {})

    assert places is not None
    assert Path(places["cafile"]).read_text().count("BEGIN CERTIFICATE") > 50


def test_a_proxy_is_asked_for_a_tunnel(certificate: Path) -> None:
    with answering(certificate) as port, tunnelling() as (proxy_port, asked):
        proxy = Proxy("127.0.0.1", proxy_port, "Basic dTpw")
        with connected(port, proxy) as through:
            assert [through.ask(ASK).status for _call in range(2)] == [200, 200]

    (request,) = asked
    assert request.startswith(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n".encode())
    assert b"\r\nproxy-authorization: Basic dTpw\r\n" in request


@pytest.mark.parametrize(
    "refusal", [b"HTTP/1.1 407 Who\r\ncontent-length: 0\r\n\r\n", b"no proxy\r\n\r\n", b"HTTP"]
)
def test_a_proxy_that_gives_no_tunnel_is_not_connected(refusal: bytes) -> None:
    with (
        tunnelling(refusal) as (proxy_port, _asked),
        connected(9, Proxy("127.0.0.1", proxy_port)) as through,
        pytest.raises(NotConnected, match="the proxy 127"),
    ):
        through.ask(ASK)


def test_a_proxy_that_says_nothing_is_not_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sqlatch.kernel.aws.proxy.ANSWER_S", 0.2)
    with (
        socket_server.running(None) as server,
        connected(9, Proxy("127.0.0.1", server.port)) as through,
        pytest.raises(NotConnected),
    ):
        through.ask(ASK)


PROXIES: list[tuple[dict[str, str], Proxy | None]] = [
    ({}, None),
    ({"HTTPS_PROXY": "http://p:3128"}, Proxy("p", 3128)),
    ({"HTTPS_PROXY": "http://other:1", "https_proxy": "p:3128"}, Proxy("p", 3128)),
    ({"HTTPS_PROXY": "http://u:p%40@p"}, Proxy("p", 80, "Basic dTpwQA==")),
    ({"HTTPS_PROXY": "http://p:3128", "NO_PROXY": "other,.amazonaws.com"}, None),
    ({"HTTPS_PROXY": "http://p:3128", "no_proxy": "*"}, None),
    ({"HTTPS_PROXY": "http://p:3128", "NO_PROXY": "example.com"}, Proxy("p", 3128)),
    ({"HTTP_PROXY": "http://p:3128"}, None),
]


@pytest.mark.parametrize(("environment", "proxy"), PROXIES)
def test_the_environment_names_the_proxy(environment: dict[str, str], proxy: Proxy | None) -> None:
    assert proxy_of(AWS, environment) == proxy


def test_a_proxy_that_is_spoken_to_in_tls_is_refused() -> None:
    with pytest.raises(NotConfigured, match="HTTPS_PROXY"):
        proxy_of(AWS, {"HTTPS_PROXY": "https://p"})


def test_an_endpoint_without_tls_is_called_directly() -> None:
    local = Endpoint("127.0.0.1", 8000, is_tls=False, region="r")

    assert proxy_of(local, {**os.environ, "HTTPS_PROXY": "http://p"}) is None
