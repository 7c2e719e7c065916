"""Tokens for the libSQL door and HTTP: a key pair, and tokens signed with it."""

import time
from collections.abc import Collection
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
    )

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return private, public_key(private)


def public_key(private_pem: str) -> str:
    """Return the public key of a private one, as PEM. ValueError if it cannot be read."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key, _algorithm = _private_key(private_pem)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return public.decode()


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
        raise ValueError(
            "the private key cannot be read: it is PEM, as `sqlatch token key` writes it"
        ) from error
    if isinstance(key, Ed25519PrivateKey):
        return key, "EdDSA"
    if isinstance(key, RSAPrivateKey):
        return key, "RS256"
    raise ValueError("the private key is neither Ed25519 nor RSA")
