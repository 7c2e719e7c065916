"""Keys and tokens as their owner makes them: functions, and the page on them."""

import json
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from handler.tokens import KEYS_MAX, LEEWAY_S, TOKEN_CHARACTERS_MAX, Tokens
from sqlatch.errors import Unauthorized
from sqlatch.tokens import DAY_S, LIFETIME_S_MAX, new_key, sign
from tests.cloudformation import ROOT, load
from tests.forge import PRIVATE, PUBLIC, jwk, jwks, rsa
from tests.pages import Run, blocks, free_ports, shell

PAGE = (ROOT / "docs" / "tokens.md").read_text()


def test_a_token_that_is_signed_here_is_taken_there() -> None:
    private, public = new_key()

    token = sign(private, access="ro", databases=["b", "a"], lifetime_s=60)
    access = Tokens(public).access(f"Bearer {token}", time.time())

    assert (access.writes, access.databases) == (False, frozenset({"a", "b"}))
    with pytest.raises(Unauthorized, match="expired"):
        Tokens(public).access(f"Bearer {token}", time.time() + 60 + LEEWAY_S)


def test_an_rsa_key_and_a_kid_do_as_well() -> None:
    private, public = rsa()

    token = sign(private, access="rw", databases="*", lifetime_s=60, kid="one")
    access = Tokens(jwks(jwk(PUBLIC, kid="two"), jwk(public, kid="one"))).access(
        f"Bearer {token}", time.time()
    )

    assert (access.writes, access.databases) == (True, None)


def elliptic(password: bytes = b"") -> str:
    """A private key of a kind that is not taken."""
    key = ec.generate_private_key(ec.SECP256R1())
    protection = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection).decode()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"access": "w"}, "access is rw or ro, not 'w'"),
        ({"databases": "main"}, "databases is a list of names"),
        ({"databases": []}, "databases is a list of names"),
        ({"databases": ["*"]}, "databases is a list of names"),
        ({"lifetime_s": 0}, "a lifetime is 1 to"),
        ({"lifetime_s": LIFETIME_S_MAX + 1}, "a lifetime is 1 to"),
        ({"private_pem": PUBLIC}, "the private key cannot be read"),
        ({"private_pem": "nothing"}, "the private key cannot be read"),
        ({"private_pem": elliptic()}, "the private key is neither Ed25519 nor RSA"),
        ({"private_pem": elliptic(password=b"secret")}, "the private key is encrypted"),
    ],
)
def test_what_could_not_be_used_is_not_signed(changes: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {
        "private_pem": PRIVATE,
        "access": "rw",
        "databases": "*",
        "lifetime_s": 60,
    }
    arguments = good | changes

    with pytest.raises(ValueError, match=message):
        sign(arguments.pop("private_pem"), **arguments)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with shell(tmp_path) as run:
        yield run


def test_the_commands_of_the_page_make_a_key_and_a_token(run: Run, tmp_path: Path) -> None:
    install, *commands = blocks(PAGE, "sh")[0].splitlines()
    assert install == 'pip install "$(echo dist/sqlatch-*.whl)[cli,tokens]"'
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["optional-dependencies"]["tokens"][0].startswith("pyjwt[crypto]")

    token = run("\n".join(commands)).splitlines()[-1]
    access = Tokens((tmp_path / "token.pub").read_text()).access(
        f"Bearer {token}", time.time() + 30 * DAY_S - 60
    )

    assert (access.writes, access.databases) == (True, frozenset({"main"}))


def test_the_page_s_server_answers_its_token(tmp_path: Path) -> None:
    script = blocks(PAGE, "sh")[1]
    with free_ports(1) as (port,), shell(tmp_path, {"8000": port}) as run:
        run("sqlatch token key")

        reply = json.loads(run(script).splitlines()[-1])

    assert reply["meta"]["wrote"] is True


def test_openssl_s_keys_of_the_page_are_taken(run: Run, tmp_path: Path) -> None:
    for command in re.findall(r"`(openssl [^`]+)`", PAGE):
        run(command)

    token = run("sqlatch token sign").strip()

    assert Tokens((tmp_path / "token.pub").read_text()).access(f"Bearer {token}", time.time())


def test_the_key_of_the_page_s_deployment_is_one_argument_that_is_taken(
    run: Run, tmp_path: Path
) -> None:
    run("sqlatch token key")
    command = blocks(PAGE, "sh")[2].replace("sam deploy", "printf '%s'")

    overrides = run(command)
    given = dict(
        re.findall(r'(\w+)=("[^"]*"|\S+)', overrides.removeprefix("--parameter-overrides"))
    )
    token = run("sqlatch token sign").strip()

    assert given["Authorization"] == "TOKEN"
    assert set(given) <= set(load("template.yaml")["Parameters"])
    assert Tokens(given["TokenKeys"].strip('"')).access(f"Bearer {token}", time.time())


def test_the_page_s_numbers_are_the_code_s() -> None:
    characters_max = load("template.yaml")["Parameters"]["TokenKeys"]["MaxLength"]

    assert f"{TOKEN_CHARACTERS_MAX:,} characters at most" in PAGE
    assert f"apart by {LEEWAY_S} s" in PAGE
    assert f"{LIFETIME_S_MAX // DAY_S} at most" in PAGE
    assert f"{characters_max:,} characters" in PAGE
    assert f"{KEYS_MAX} Ed25519 keys" in PAGE
    assert characters_max // len(PUBLIC) >= KEYS_MAX
    assert characters_max // len(rsa()[1]) == 6


def test_the_client_side_loads_no_library_until_it_signs() -> None:
    code = "import sqlatch.tokens, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert not {"jwt", "cryptography"} & set(loaded.stdout.split())
