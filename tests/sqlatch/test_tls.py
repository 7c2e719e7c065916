"""TLS that breaks: before the request was sent nothing was done, behind it nobody knows."""

import datetime
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sqlatch import failures
from tests.sqlatch.conftest import connected
from tests.sqlatch.lambda_server import FUNCTION, LambdaServer
from tests.sqlatch.socket_server import request_of
from tests.sqlatch.test_http_failures import REPLY, answer

pytestmark = pytest.mark.usefixtures("kind")

INSERT = "INSERT INTO t VALUES (1)"
WHOLE = answer(200, REPLY)
GARBAGE = b"\x17\x03\x03\x00\x20" + b"no record of TLS is like this..."


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A certificate for this machine with its key, and trusted by this process."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(path))
    return path


@contextmanager
def breaking(certificate: Path, before: bytes | None) -> Iterator[int]:
    """The port of a server whose TLS breaks behind these bytes of its answer.

    With None it breaks in the handshake.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    ends = threading.Event()

    def serve(listener: socket.socket) -> None:
        while not ends.is_set():
            plain, _address = listener.accept()
            with plain, suppress(OSError):
                if before is None:
                    plain.sendall(GARBAGE)
                    continue
                secure = context.wrap_socket(plain, server_side=True, suppress_ragged_eofs=False)
                request_of(secure)
                secure.sendall(before)
                raw = socket.socket(fileno=secure.detach())
                with raw:
                    raw.sendall(GARBAGE)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            ends.set()
            with suppress(OSError), socket.create_connection(listener.getsockname(), 1):
                pass
            thread.join()


BREAKS = [
    (None, failures.Unreachable),
    (b"", failures.AnswerCutOff),
    (WHOLE[:20], failures.AnswerCutOff),
    (WHOLE[:-20], failures.AnswerCutOff),
]


@pytest.mark.parametrize("broken", BREAKS)
@pytest.mark.parametrize("transport", ["http", "lambda"])
def test_tls_that_breaks_behind_the_request_leaves_the_outcome_unknown(
    certificate: Path,
    lambda_api: LambdaServer,
    monkeypatch: pytest.MonkeyPatch,
    transport: str,
    broken: tuple[bytes | None, type[failures.CallFailed]],
) -> None:
    before, kind = broken
    with breaking(certificate, before) as port:
        url = f"https://127.0.0.1:{port}/main"
        if transport == "lambda":
            monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", f"https://127.0.0.1:{port}")
            url = f"lambda://{FUNCTION}/main"
        iam = False if transport == "http" else None
        with connected(url, iam=iam) as client, pytest.raises(kind) as failed:
            client.ask({"query": INSERT})

    assert type(failed.value) is kind
    assert failed.value.facts["outcome"] == kind.outcome_unless_told


def test_a_certificate_that_is_not_trusted_is_unreachable(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "none.pem").touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with (
        breaking(certificate, b"") as port,
        connected(f"https://127.0.0.1:{port}/main", iam=False) as client,
        pytest.raises(failures.Unreachable, match="certificate"),
    ):
        client.ask({"query": INSERT})
