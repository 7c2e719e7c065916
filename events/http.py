"""The HTTP door: API Gateway's payloads 2.0 (also a Function URL's) and 1.0, in and out."""

import base64
import binascii
import gzip
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json, to_json

from events import url
from events.request import Request, parse
from events.values import escapes_bytes
from events.whole import BranchEvent, HealthEvent, ManageEvent
from sqlatch.kernel.errors import BadEvent, ResultTooLarge, SqlatchError
from sqlatch.kernel.hints import did_you_mean

BODY_BYTES_MAX = 6 * 1024 * 1024
ANSWER_BYTES_MAX = 6 * 1024 * 1024
"""Of all that Lambda takes back from a function."""

AROUND_BODY_BYTES = 1_024
"""The most that surrounds the body in an answer: status and headers."""

JSON = "application/json"

GZIP_BYTES_MIN = 1_024
GZIP_LEVEL = 1
"""The fastest: it takes a fifth of level 9's time on rows, and gives up a few percent of size."""

ROUTES: dict[str, tuple[str, ...]] = {
    "/{database}/query": ("POST",),
    "/{database}/read": ("POST", "GET", "HEAD"),
    "/query": ("POST",),
    "/read": ("POST", "GET", "HEAD"),
    "/health": ("GET",),
}
"""The paths with a database are for IAM, which cannot look into a body."""

LOG_ROUTES = {"/-/log": ("GET",), "/-/log/{path+}": ("GET",)}
"""The paths of nodes that follow this one, which are no part of the contract for callers."""

_OF_DATABASE = re.compile(r"/([^/]+)(/query|/read)")

OPEN_ROUTE = "{libsql+}"
"""In the keys of the template's routes for libSQL clients, into which the gateway lets everybody.

They lead to nothing else: not to /health, should the gateway match the path before it is decoded
(`/%68ealth`) and hand it over after.
"""

_HOST = re.compile(r"[A-Za-z0-9.-]{1,255}(?::\d{1,5})?|\[[0-9a-f:]+\](?::\d{1,5})?", re.ASCII)

STATUS = {
    "BAD_EVENT": 400,
    "STATEMENT_ERROR": 400,
    "CONSTRAINT": 409,
    "FORBIDDEN_STATEMENT": 403,
    "READ_ONLY": 403,
    "UNAUTHORIZED": 401,
    "DATABASE_NOT_FOUND": 404,
    "IDEMPOTENCY_CONFLICT": 409,
    "RESULT_TOO_LARGE": 413,
    "DATABASE_CHANGED": 409,
    "TIMEOUT": 504,
    "LEASE_BUSY": 503,
    "LEASE_LOST": 503,
    "DATABASE_BUSY": 503,
    "STORAGE_ERROR": 503,
    "DATABASE_CORRUPT": 500,
    "LEADER_UNREACHABLE": 503,
}


class BadRequest(BadEvent):
    """A request that HTTP has a status of its own for; `status` is it."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it came through the door. One that caches understand `may_be_kept`, and brings
    the `etags` of the answers that its caller has."""

    request: Request
    accepts_gzip: bool
    may_be_kept: bool = False
    etags: frozenset[str] = frozenset()


def unwrap(event: Mapping[str, Any]) -> Call:
    """Return the request in a payload of either version; BadEvent if it holds no valid one."""
    method, whole = route(event)
    path, database = path_and_database(whole)
    headers = headers_of(event)
    if path not in ROUTES or OPEN_ROUTE in str(event.get("routeKey")):
        hint = did_you_mean(whole, ROUTES)
        raise BadRequest(
            f"no such path: {whole!r}; there are {', '.join(ROUTES)}{hint}", status=404
        )
    if method not in ROUTES[path]:
        methods = " or ".join(ROUTES[path])
        raise BadRequest(f"send {methods} to {whole}, not {method}", status=405)
    accepts_gzip = accepts(headers)
    if path == "/health":
        return Call(HealthEvent(health=True), accepts_gzip)
    is_url = method != "POST"
    fields = url.fields_in(event) if is_url else _fields(event)
    if "idempotency-key" in headers and not is_url:
        fields.setdefault("idempotency_key", headers["idempotency-key"])
    if "sqlatch-at-least" in headers:
        fields.setdefault("at_least", headers["sqlatch-at-least"])
    if path == "/read" and "history" not in fields:
        fields["read_only"] = True
    if database is not None and fields.setdefault("database", database) != database:
        raise BadEvent(
            f"the path is for database {database!r}, and the {'URL' if is_url else 'body'} names"
            f" {fields['database']!r}: leave it out there",
            field="database",
        )
    request = parse(fields)
    if isinstance(request, HealthEvent):
        raise BadEvent("health is asked with GET /health, not in a body", field="health")
    if isinstance(request, ManageEvent | BranchEvent) and database is not None:
        raise BadEvent(
            "a database is made or deleted as a whole by POST /query: who may call its own path"
            " alone may not",
            field="branch" if isinstance(request, BranchEvent) else "manage",
        )
    return Call(request, accepts_gzip, is_url, url.etags_in(headers) if is_url else frozenset())


def wrap(reply: Mapping[str, Any], *, status: int = 200, accepts_gzip: bool) -> dict[str, Any]:
    """A reply in the shape that both payload versions take."""
    return wrap_body(to_json(reply), JSON, status=status, accepts_gzip=accepts_gzip)


def wrap_body(
    body: bytes,
    content_type: str,
    *,
    status: int,
    accepts_gzip: bool,
    position: str | None = None,
    for_caches: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A body in that shape, with the position that it tells of, and what caches may do with it.

    ResultTooLarge for a kept reply that was first given through another door, where it was shorter.
    """
    headers = {"content-type": content_type, "cache-control": "no-store", **(for_caches or {})}
    if position is not None:
        headers["sqlatch-position"] = position
    if accepts_gzip and len(body) >= GZIP_BYTES_MIN:
        headers = {"vary": "accept-encoding", **headers, "content-encoding": "gzip"}
        packed = base64.b64encode(gzip.compress(body, GZIP_LEVEL, mtime=0)).decode("ascii")
        return {"statusCode": status, "headers": headers, "body": packed, "isBase64Encoded": True}
    size_bytes = len(body) + escapes_bytes(body) + AROUND_BODY_BYTES
    if size_bytes > ANSWER_BYTES_MAX:
        raise ResultTooLarge(
            f"the reply has {size_bytes:,} bytes as a body that is not packed, the limit is"
            f" {ANSWER_BYTES_MAX:,}; it was given before, and still is to a direct caller or one"
            " that accepts gzip",
            bytes=size_bytes,
            bytes_max=ANSWER_BYTES_MAX,
        )
    return {
        "statusCode": status,
        "headers": headers,
        "body": body.decode(),
        "isBase64Encoded": False,
    }


def not_modified(headers: Mapping[str, str]) -> dict[str, Any]:
    """The answer to a caller that has the right one already."""
    return {"statusCode": 304, "headers": dict(headers), "body": "", "isBase64Encoded": False}


def wrap_error(error: SqlatchError) -> dict[str, Any]:
    """An error in the same shape; one that may pass says when to try again."""
    status = error.facts.get("status", STATUS[error.code])
    facts = {name: fact for name, fact in error.body().items() if name != "status"}
    reply = wrap({"error": facts}, status=int(status or 500), accepts_gzip=False)
    if error.retryable:
        reply["headers"]["retry-after"] = "1"
    if error.code == "UNAUTHORIZED":
        reply["headers"]["www-authenticate"] = "Bearer"
    return reply


def accepts(headers: Mapping[str, str]) -> bool:
    """Return whether the client accepts gzip, by its Accept-Encoding."""
    for offer in headers.get("accept-encoding", "").lower().split(","):
        name, _, quality = offer.partition(";")
        if name.strip() in {"gzip", "*"}:
            return quality.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False


def route(event: Mapping[str, Any]) -> tuple[str, str]:
    context = event.get("requestContext")
    http = context.get("http") if isinstance(context, Mapping) else None
    if isinstance(context, Mapping) and isinstance(http, Mapping):
        path = str(event.get("rawPath", ""))
        stage = context.get("stage")
        if stage and stage != "$default":
            path = path.removeprefix(f"/{stage}")
        return str(http.get("method", "")), path
    return str(event.get("httpMethod", "")), str(event.get("path", ""))


def path_and_database(path: str) -> tuple[str, str | None]:
    """A path of ROUTES without the database in it, and that; any other path as it is."""
    found = _OF_DATABASE.fullmatch(path)
    return (found[2], found[1]) if found else (path, None)


def jwt_claims(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """The claims that API Gateway has verified; empty if it has verified none."""
    part: Any = event
    for name in ("requestContext", "authorizer", "jwt", "claims"):
        part = part.get(name) if isinstance(part, Mapping) else None
    return part if isinstance(part, Mapping) else {}


def is_open(event: Mapping[str, Any]) -> bool:
    """Return whether a request came without credentials, so that anybody could send it."""
    context = event.get("requestContext")
    return (
        isinstance(context, Mapping)
        and "http" in context
        and not context.get("authorizer")
        and not context.get("authentication")
        and "authorization" not in headers_of(event)
        and not url.is_signed(event)
    )


def base_url(event: Mapping[str, Any]) -> str:
    """The URL that the caller's paths begin with, by what the request says of itself."""
    headers = headers_of(event)
    scheme = "https" if headers.get("x-forwarded-proto") == "https" else "http"
    host = headers.get("host", "")
    _method, path = route(event)
    stage = str(event.get("rawPath", path)).removesuffix(path)
    return f"{scheme}://{host if _HOST.fullmatch(host) else 'HOST'}{stage}"


def headers_of(event: Mapping[str, Any]) -> dict[str, str]:
    """The headers, their names in small letters."""
    headers = event.get("headers")
    if not isinstance(headers, Mapping):
        return {}
    return {str(name).lower(): str(value) for name, value in headers.items()}


def content_of(event: Mapping[str, Any]) -> bytes:
    """Return the body as it was sent; BadEvent if it is empty or too large."""
    body = event.get("body")
    if not isinstance(body, str) or not body:
        raise BadEvent("the body is empty: it is the request as JSON", field="body")
    content = _decoded(body) if event.get("isBase64Encoded") else _encoded(body)
    if len(content) > BODY_BYTES_MAX:
        raise BadRequest(
            f"the body has {len(content):,} bytes, the limit is {BODY_BYTES_MAX:,}: send several"
            " requests",
            status=413,
        )
    return content


def _fields(event: Mapping[str, Any]) -> dict[str, Any]:
    content = content_of(event)
    try:
        fields = from_json(content, allow_inf_nan=False)
    except ValueError as error:
        raise BadEvent(f"the body is not JSON: {error}", field="body") from error
    if not isinstance(fields, dict):
        raise BadEvent("the body is not a JSON object", field="body")
    return fields


def _encoded(body: str) -> bytes:
    try:
        return body.encode()
    except UnicodeEncodeError as error:
        raise BadEvent(
            f"the body is not Unicode at character {error.start}: send UTF-8, and bytes as base64",
            field="body",
        ) from error


def _decoded(body: str) -> bytes:
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadEvent(f"the body is not base64: {error}", field="body") from error
