"""Tokens for the libSQL door and HTTP: `key` makes a key pair, `sign` signs a token with it."""

import argparse
import sys
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

DAY_S = 86_400
LIFETIME_S_MAX = 366 * DAY_S
"""A token cannot be called back but by changing the key, so none is for ever."""

ALL = "*"


def new_key() -> tuple[str, str]:
    """An Ed25519 key pair as PEM: the private key, which signs, and the public, which the service
    is given."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def sign(
    private_pem: str,
    *,
    access: Literal["rw", "ro"],
    databases: Collection[str] | Literal["*"],
    lifetime_s: int,
    kid: str | None = None,
) -> str:
    """A token for some databases, or "*" for all. ValueError if it could not be used."""
    import jwt

    if access not in ("rw", "ro"):
        raise ValueError(f"access is rw or ro, not {access!r}")
    if not 0 < lifetime_s <= LIFETIME_S_MAX:
        raise ValueError(f"a lifetime is 1 to {LIFETIME_S_MAX} s, not {lifetime_s}")
    key, algorithm = _private_key(private_pem)
    issued_s = int(time.time())
    claims = {
        "access": access,
        "databases": ALL if databases == ALL else _names(databases),
        "iat": issued_s,
        "exp": issued_s + lifetime_s,
    }
    headers = None if kid is None else {"kid": kid}
    return jwt.encode(claims, key, algorithm=algorithm, headers=headers)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; what is wrong is said on one line, and the exit status is 1."""
    options = _options(arguments)
    try:
        if options.command == "key":
            _write_key(options.private, options.public)
        else:
            token = sign(
                options.private.read_text(),
                access="ro" if options.read_only else "rw",
                databases=options.database or ALL,
                lifetime_s=round(options.days * DAY_S),
                kid=options.kid,
            )
            sys.stdout.write(f"{token}\n")
    except (OSError, ValueError, ImportError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _names(databases: Collection[str]) -> list[str]:
    if isinstance(databases, str) or not databases or ALL in databases:
        raise ValueError(f"databases is a list of names, or {ALL!r} for all")
    return sorted(databases)


def _private_key(pem: str) -> "tuple[Ed25519PrivateKey | RSAPrivateKey, str]":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except TypeError as error:
        raise ValueError("the private key is encrypted") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("the private key cannot be read: it is PEM, as `key` writes it") from error
    if isinstance(key, Ed25519PrivateKey):
        return key, "EdDSA"
    if isinstance(key, RSAPrivateKey):
        return key, "RS256"
    raise ValueError("the private key is neither Ed25519 nor RSA")


def _write_key(private: Path, public: Path) -> None:
    private_pem, public_pem = new_key()
    # Never over another: a key that is overwritten makes every token signed with it worthless.
    private.touch(mode=0o600, exist_ok=False)
    private.write_text(private_pem)
    public.write_text(public_pem)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sqlatch.tokens", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("key", help="make a key pair")
    command.add_argument("--private", type=Path, default=Path("token.key"), metavar="FILE")
    command.add_argument("--public", type=Path, default=Path("token.pub"), metavar="FILE")
    command = commands.add_parser("sign", help="print a token signed with the private key")
    command.add_argument("--private", type=Path, default=Path("token.key"), metavar="FILE")
    command.add_argument("--database", action="append", metavar="NAME", help="all, if not given")
    command.add_argument("--read-only", action="store_true")
    command.add_argument("--days", type=float, default=30)
    command.add_argument("--kid", help="name of the key, for keys given as JWKS")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
