"""Signature Version 4: the headers by which AWS knows who sends a request."""

import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = frozenset({"expect", "transfer-encoding", "user-agent", "x-amzn-trace-id"})
"""Headers that a proxy may change; botocore leaves the same ones out."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The keys of a caller. Those that end, at `expires_at_s` in epoch seconds, have a `token`."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    expires_at_s: float | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it is sent: encoded, its query in order, its headers' names in small letters."""

    method: str
    path: str = "/"
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def target(self) -> str:
        """The path with the query."""
        return f"{self.path}?{self.query}" if self.query else self.path


@dataclass(frozen=True, slots=True)
class Scope:
    """The region and the service that a signature is good for."""

    region: str
    service: str

    def on(self, stamp: str) -> str:
        """Return the scope at a time, by the day of which its key is made."""
        return f"{stamp[:8]}/{self.region}/{self.service}/aws4_request"


def signed(
    request: Request, *, credentials: Credentials, scope: Scope, now_s: float
) -> dict[str, str]:
    """Return the headers of a request with those of its signature; `host` is among the given ones.

    S3 wants the hash of the body as a header too.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_s))
    content = hashlib.sha256(request.body).hexdigest()
    found = {**request.headers, "x-amz-date": stamp}
    if credentials.token:
        found["x-amz-security-token"] = credentials.token
    if scope.service == "s3":
        found["x-amz-content-sha256"] = content
    names = sorted(name for name in found if name not in UNSIGNED)
    lines = [f"{name}:{' '.join(found[name].split())}\n" for name in names]
    signed_names = ";".join(names)
    canonical = "\n".join(
        (request.method, request.path, request.query, "".join(lines), signed_names, content)
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    signature = signature_of(digest, credentials=credentials, scope=scope, stamp=stamp)
    found["authorization"] = (
        f"{ALGORITHM} Credential={credentials.access_key}/{scope.on(stamp)},"
        f" SignedHeaders={signed_names}, Signature={signature}"
    )
    return found


def signature_of(digest: str, *, credentials: Credentials, scope: Scope, stamp: str) -> str:
    """Return the signature of a request, of whose canonical form this is the digest."""
    text = "\n".join((ALGORITHM, stamp, scope.on(stamp), digest))
    return _hmac(_key(credentials.secret_key, stamp[:8], scope), text).hex()


def _key(secret_key: str, day: str, scope: Scope) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in (day, scope.region, scope.service, "aws4_request"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
