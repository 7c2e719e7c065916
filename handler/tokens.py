"""Tokens: who may, by a signed JWT that names an access, the databases, and an end."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sqlatch.kernel.errors import Unauthorized

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

SETTING = "SQLATCH_TOKEN_KEYS"

LEEWAY_S = 30
"""By how much the clock of who signs and ours may differ."""

TIME_S_MAX = 253_402_300_799
"""The end of the year 9999. What is more is no time, or milliseconds."""

TOKEN_CHARACTERS_MAX = 8_192
"""API Gateway takes 10,240 bytes of headers in all."""

KEYS_MAX = 16
"""Each key that fits may be tried. Lambda takes 4 KB of environment, about so many RSA keys."""

RSA_BITS_MIN = 2_048

ALL = "*"
"""In place of a list of databases: every one."""

_NAMES = re.compile(r"""[^\s,"\[\]]+""")

PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Access:
    """The access that a token grants. `identity` is a hash of the token, to bind a stream to it."""

    writes: bool
    databases: frozenset[str] | None
    identity: str

    def allow(self, database: str) -> None:
        """Unauthorized if the token is not for this database."""
        if self.databases is not None and database not in self.databases:
            raise Unauthorized(f"the token is not for database {database!r}")


def access_by_claim(claims: Mapping[str, Any], name: str) -> Access:
    """Return the access of a JWT that API Gateway has verified, by the claim that names databases.

    Whether it may write is decided there, by its scopes. API Gateway hands a list over as a text,
    `[a b]`; a claim that is a text may name several databases too.
    """
    given = claims.get(name)
    if isinstance(given, str) and given != ALL:
        given = _NAMES.findall(given)
    return Access(writes=True, databases=_databases(given, name), identity="")


@dataclass(frozen=True, slots=True)
class Key:
    """A public key and the one algorithm that it is for: what a token says does not count."""

    public: "Ed25519PublicKey | RSAPublicKey"
    algorithm: str
    kid: str | None


class Tokens:
    """The check of tokens by the keys of a setting: PEM one behind the other, or a JWKS.

    The keys are read at the first token, since the libraries for it are loaded no sooner.
    """

    def __init__(self, keys: str) -> None:
        self._text = keys.strip()

    def access(self, authorization_header: str | None, now_s: float) -> Access:
        """Return the access of the token in a header; Unauthorized says why it has none."""
        if not self._text:
            raise Unauthorized(f"{SETTING}: no key is set, so tokens are refused; set a key")
        token = _bearer(authorization_header)
        claims = self._claims(token)
        _check_times(claims, now_s)
        return Access(
            writes=_writes(claims),
            databases=_databases(claims.get("databases"), "databases"),
            identity=sha256(token.encode()).hexdigest(),
        )

    @cached_property
    def _keys(self) -> tuple[Key, ...]:
        keys = tuple(_jwks(self._text) if self._text.startswith("{") else _pems(self._text))
        if not 0 < len(keys) <= KEYS_MAX:
            raise Unauthorized(f"{SETTING}: holds {len(keys)} usable keys; give 1 to {KEYS_MAX}")
        return keys

    def _claims(self, token: str) -> Mapping[str, Any]:
        """The claims of a token that one of the keys has signed."""
        import jwt

        fitting = self._fitting(token)
        for key in fitting:
            try:
                # The times are ours to check: by the clock that is handed in, not the machine's.
                return jwt.decode(
                    token,
                    key.public,
                    algorithms=[key.algorithm],
                    options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
                )
            except jwt.InvalidSignatureError:
                continue
            except jwt.InvalidAudienceError as error:
                raise Unauthorized("the token is for an audience (`aud`)") from error
            except jwt.PyJWTError as error:
                raise Unauthorized("the token is malformed") from error
        raise Unauthorized("the token is signed by no key that is known here")

    def _fitting(self, token: str) -> list[Key]:
        """The keys that may have signed a token, by its header; not yet whether one has."""
        import jwt

        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError as error:
            raise Unauthorized("the token is malformed") from error
        algorithm, kid = header.get("alg"), header.get("kid")
        of_algorithm = [key for key in self._keys if key.algorithm == algorithm]
        if not of_algorithm:
            takes = " or ".join(sorted({key.algorithm for key in self._keys}))
            raise Unauthorized(f"the token is not signed by {takes}, which the keys here are for")
        fitting = [key for key in of_algorithm if kid is None or key.kid in (None, kid)]
        if not fitting:
            raise Unauthorized("the token names a key (`kid`) that is not known here")
        return fitting


def _bearer(header: str | None) -> str:
    if not header:
        raise Unauthorized("a token is missing: send it as authorization: Bearer TOKEN")
    if len(header) > TOKEN_CHARACTERS_MAX:
        raise Unauthorized(
            f"the token has {len(header):,} characters, the limit is {TOKEN_CHARACTERS_MAX:,}"
        )
    scheme, _, token = header.strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or not token.isascii() or " " in token:
        raise Unauthorized("the authorization is malformed: send authorization: Bearer TOKEN")
    return token


def _check_times(claims: Mapping[str, Any], now_s: float) -> None:
    expires_s = _time(claims, "exp")
    if expires_s is None:
        raise Unauthorized("the token has no end (`exp`); one is required")
    if now_s >= expires_s + LEEWAY_S:
        raise Unauthorized("the token has expired")
    for name, meaning in (("nbf", "valid"), ("iat", "issued")):
        since_s = _time(claims, name)
        if since_s is not None and now_s < since_s - LEEWAY_S:
            raise Unauthorized(f"the token is not yet {meaning} (`{name}`)")


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= TIME_S_MAX:
        raise Unauthorized(f"the token's `{name}` is not a time in seconds")
    return float(value)


def _writes(claims: Mapping[str, Any]) -> bool:
    # `a` is how libSQL's own tokens say it.
    access = claims.get("access", claims.get("a"))
    if access not in ("rw", "ro"):
        raise Unauthorized("the token's `access` is not `rw` or `ro`")
    return bool(access == "rw")


def _databases(databases: object, claim: str) -> frozenset[str] | None:
    if databases == ALL:
        return None
    if not isinstance(databases, list) or not all(isinstance(name, str) for name in databases):
        raise Unauthorized(f"the token's `{claim}` is neither a list of names nor {ALL!r}")
    return frozenset(databases)


def _pems(text: str) -> Iterator[Key]:
    """Keys one behind the other; line ends do not count, which a shell or a form may have lost."""
    from base64 import b64decode

    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    if PEM.sub("", text).strip():
        raise Unauthorized(f"{SETTING}: holds text that is neither a PEM public key nor a JWKS")
    for label, body in PEM.findall(text):
        if label != "PUBLIC KEY":
            raise Unauthorized(f"{SETTING}: takes PUBLIC KEY, and holds {label}")
        try:
            public = load_der_public_key(b64decode("".join(body.split()), validate=True))
        except (ValueError, UnsupportedAlgorithm) as error:
            raise Unauthorized(f"{SETTING}: a key cannot be read") from error
        yield _key(public, kid=None)


def _jwks(text: str) -> Iterator[Key]:
    """The keys of a document that can be used; others in it are for other uses, and left out."""
    import jwt
    from pydantic_core import from_json

    try:
        entries = [dict(entry) for entry in from_json(text)["keys"]]
    except (ValueError, KeyError, TypeError) as error:
        raise Unauthorized(f'{SETTING}: is not a JWKS: {{"keys": [...]}}') from error
    for entry in entries:
        if entry.get("use", "sig") != "sig" or entry.get("alg", "EdDSA") not in ("EdDSA", "RS256"):
            continue
        if "d" in entry:
            raise Unauthorized(f"{SETTING}: holds a private key; give the public one")
        if (entry.get("kty"), entry.get("crv")) not in (("OKP", "Ed25519"), ("RSA", None)):
            continue
        try:
            yield _key(jwt.PyJWK(entry).key, kid=entry.get("kid"))
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise Unauthorized(f"{SETTING}: a key cannot be read") from error


def _key(public: object, *, kid: str | None) -> Key:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    if isinstance(public, Ed25519PublicKey):
        return Key(public, "EdDSA", kid)
    if not isinstance(public, RSAPublicKey):
        raise Unauthorized(f"{SETTING}: a key is neither Ed25519 nor RSA")
    if public.key_size < RSA_BITS_MIN:
        raise Unauthorized(f"{SETTING}: an RSA key has less than {RSA_BITS_MIN} bits")
    return Key(public, "RS256", kid)
