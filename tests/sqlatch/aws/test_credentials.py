"""Credentials: those that botocore finds, from the environment and from a container without it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.session import get_session

from sqlatch.kernel.aws.credentials import FULL, REFRESH_S, Wallet
from sqlatch.kernel.aws.errors import AwsError, CutOff, Garbled, NotConfigured, NotConnected
from sqlatch.kernel.aws.signature import Credentials
from tests.sqlatch import socket_server
from tests.sqlatch.aws.test_dynamodb import answer
from tests.writers import ROOT

NOW_S = 1_800_000_000.0
KEYS = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret"}
FILE = """
[default]
aws_access_key_id = of-the-file
aws_secret_access_key = secret
[other]
aws_access_key_id = of-the-profile
aws_secret_access_key = secret
aws_session_token = token
"""
ENVIRONMENTS: list[dict[str, str]] = [
    KEYS,
    {**KEYS, "AWS_SESSION_TOKEN": "token"},
    {**KEYS, "AWS_SECURITY_TOKEN": "old"},
    {**KEYS, "AWS_SECURITY_TOKEN": "old", "AWS_SESSION_TOKEN": "new"},
    {**KEYS, "AWS_SESSION_TOKEN": ""},
    {**KEYS, "AWS_SHARED_CREDENTIALS_FILE": "FILE"},
    {**KEYS, "AWS_SHARED_CREDENTIALS_FILE": "FILE", "AWS_PROFILE": "other"},
    {**KEYS, FULL: "CONTAINER"},
    {"AWS_SHARED_CREDENTIALS_FILE": "FILE"},
    {"AWS_SHARED_CREDENTIALS_FILE": "FILE", "AWS_PROFILE": "other"},
    {"AWS_SHARED_CREDENTIALS_FILE": "FILE", FULL: "CONTAINER"},
    {FULL: "CONTAINER"},
]


def given(ends_at_s: float = 4e9, **changed: Any) -> bytes:
    """The answer of a container."""
    content = {
        "AccessKeyId": "of-the-container",
        "SecretAccessKey": "secret",
        "Token": "token",
        "Expiration": datetime.fromtimestamp(ends_at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        **changed,
    }
    return answer(200, content)


Container = Callable[..., socket_server.SocketServer]


@pytest.fixture
def container(monkeypatch: pytest.MonkeyPatch) -> Iterator[Container]:
    """A container that answers so, at the address that the environment names."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def start(*answers: bytes) -> socket_server.SocketServer:
            server = stack.enter_context(socket_server.running(*answers))
            monkeypatch.setenv(FULL, f"http://127.0.0.1:{server.port}/v1/credentials?id=1")
            return server

        yield start


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_credentials_are_those_that_botocore_finds(
    environment: dict[str, str],
    tmp_path: Path,
    container: Container,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "credentials").write_text(FILE)
    for name, value in environment.items():
        if value == "CONTAINER":
            container(given())
        else:
            monkeypatch.setenv(name, str(tmp_path / "credentials") if value == "FILE" else value)

    found = Wallet().credentials(NOW_S)

    by_botocore: Any = get_session().get_credentials()
    expected = by_botocore.get_frozen_credentials()
    assert (found.access_key, found.secret_key) == (expected.access_key, expected.secret_key)
    assert found.token == (expected.token or None)


def test_botocore_is_loaded_for_files_only() -> None:
    code = (
        "import sys\nfrom sqlatch.kernel.aws.dynamodb import DynamoDB\n"
        "from sqlatch.kernel.aws.credentials import Wallet\n"
        "DynamoDB(); Wallet().credentials(0)\n"
        "print({name.partition('.')[0] for name in sys.modules} & {'botocore', 'boto3', 'http'})"
    )
    environment = {**os.environ, **KEYS, "AWS_REGION": "eu-west-1"}

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True,
        check=True,
    )  # fmt: skip

    assert done.stdout == "set()\n"


def test_keys_that_change_in_the_environment_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    wallet = Wallet()
    for name in ("first", "second"):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", name)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        assert wallet.credentials(NOW_S) == Credentials(name, "secret")


def test_half_a_pair_of_keys_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")

    with pytest.raises(NotConfigured, match="without AWS_SECRET_ACCESS_KEY"):
        Wallet().credentials(NOW_S)


def test_no_credentials_at_all_are_named() -> None:
    with pytest.raises(NotConfigured, match="there are no AWS credentials"):
        Wallet().credentials(NOW_S)


@pytest.mark.parametrize("how", ["variable", "file"])
def test_a_container_is_told_the_token(
    how: str, container: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = container(given())
    (tmp_path / "token").write_text("permit")
    if how == "file":
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "not this one")
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))
    else:
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "permit")

    found = Wallet().credentials(NOW_S)

    assert found == Credentials("of-the-container", "secret", "token", 4e9)
    (request,) = server.requests
    assert request.startswith(b"GET /v1/credentials?id=1 HTTP/1.1\r\n")
    assert b"\r\nauthorization: permit\r\n" in request


def test_credentials_are_fetched_again_before_they_end(container: Container) -> None:
    ends_at_s = NOW_S + 3600
    server = container(given(ends_at_s), given(ends_at_s + 3600, AccessKeyId="second"))
    wallet = Wallet()

    at_s = (NOW_S, ends_at_s - REFRESH_S - 1, ends_at_s - REFRESH_S + 1, ends_at_s)
    keys = [wallet.credentials(now_s).access_key for now_s in at_s]

    assert keys == ["of-the-container"] * 2 + ["second"] * 2
    assert len(server.requests) == 2


def test_credentials_serve_to_their_end_if_no_others_are_to_be_had(container: Container) -> None:
    ends_at_s = NOW_S + 3600
    container(given(ends_at_s), answer(500, {}))
    wallet = Wallet()

    keys = [wallet.credentials(now_s).access_key for now_s in (NOW_S, ends_at_s - 1)]
    with pytest.raises(NotConnected, match="gives no AWS credentials now"):
        wallet.credentials(ends_at_s)

    assert keys == ["of-the-container"] * 2


NOTHING: dict[str, tuple[bytes, type[AwsError]]] = {
    "refused": (answer(403, {}), NotConfigured),
    "too often": (answer(429, {}), NotConnected),
    "not JSON": (answer(200, b"<html>"), Garbled),
    "not an object": (answer(200, []), Garbled),
    "a key missing": (answer(200, {"AccessKeyId": "x"}), Garbled),
    "an end that is none": (given(Expiration="soon"), Garbled),
    "a key that is none": (given(AccessKeyId=None), Garbled),
    "half": (given()[:-5], CutOff),
}  # fmt: skip


@pytest.mark.parametrize("case", NOTHING)
def test_a_container_without_credentials_is_named(case: str, container: Container) -> None:
    content, kind = NOTHING[case]
    container(content)

    with pytest.raises(AwsError) as failed:
        Wallet().credentials(NOW_S)

    assert failed.type is kind


@pytest.mark.parametrize(
    "url", ["http://example.com/x", "http://10.0.0.1/x", "nothing", "http:///x"]
)
def test_only_a_container_is_asked_without_tls(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FULL, url)

    with pytest.raises(NotConfigured):
        Wallet().credentials(NOW_S)


def test_a_token_that_cannot_be_read_is_named(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    container(given())
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/nowhere/token")

    with pytest.raises(NotConfigured, match="token cannot be read"):
        Wallet().credentials(NOW_S)


def test_secrets_are_not_shown() -> None:
    shown = repr(Credentials("AKID", "the-secret", "the-token"))

    assert "AKID" in shown
    assert "the-" not in shown
    assert json.dumps(shown)
