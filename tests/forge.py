"""Signs tokens of every kind, the good and those that must be refused."""

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_public_key,
)
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm

from sqlatch.tokens import new_key

PRIVATE, PUBLIC = new_key()
OTHER_PRIVATE, OTHER_PUBLIC = new_key()
LEFT_OUT: Any = object()
"""For a claim: that it is not there."""


def bearer(now_s: float, /, *, key: Any = PRIVATE, algorithm: str = "EdDSA", **changes: Any) -> str:
    """The header with a good token but for the changes, which are claims, or `headers`."""
    headers = changes.pop("headers", None)
    token = jwt.encode(claims(now_s, **changes), key, algorithm=algorithm, headers=headers)
    return f"Bearer {token}"


def claims(now_s: float, **changes: Any) -> dict[str, Any]:
    good = {"access": "rw", "databases": "*", "iat": int(now_s), "exp": int(now_s) + 60}
    return {name: value for name, value in {**good, **changes}.items() if value is not LEFT_OUT}


def by_hand(header: Mapping[str, Any], payload: Mapping[str, Any], *, secret: str = "") -> str:
    """A token that no library would sign; with a secret, by HMAC."""
    parts = [_base64(json.dumps(part).encode()) for part in (header, payload)]
    signature = hmac.digest(secret.encode(), ".".join(parts).encode(), "sha256") if secret else b""
    return "Bearer " + ".".join([*parts, _base64(signature)])


@cache
def rsa(bits: int = 2048) -> tuple[str, str]:
    """An RSA key pair as PEM, the same each time: it takes a while to make."""
    key = generate_private_key(public_exponent=65_537, key_size=bits)
    return _private_pem(key), _public_pem(key)


def jwk(public_pem: str, **more: Any) -> dict[str, Any]:
    """A public key as one entry of a JWKS."""
    public: Any = load_pem_public_key(public_pem.encode())
    form: Any = RSAAlgorithm if hasattr(public, "key_size") else OKPAlgorithm
    return {**form.to_jwk(public, as_dict=True), **more}


def jwks(*entries: dict[str, Any]) -> str:
    return json.dumps({"keys": entries})


def _base64(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _private_pem(key: RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _public_pem(key: RSAPrivateKey) -> str:
    public = key.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
