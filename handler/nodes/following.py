"""The logs of the databases, served over HTTP to the nodes that follow this one.

A log has all of a database: what was deleted, and what other callers were answered. So it is for a
token that may write to the database, and its list for one that may to all.
"""

import base64
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from pydantic_core import to_json

from events import http
from handler.permission import access_of
from handler.record import Record
from handler.service import Service
from sqlatch.kernel.errors import SqlatchError, Unauthorized
from sqlatch.kernel.node import LOG_ROOT
from storage.nodes import Part

if TYPE_CHECKING:
    from handler.tokens import Access

KEY = ".key"
"""In place of a database: the key that signs the batons of streams, which each node then knows.
Below a database: the key for its own."""

_DATABASE = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def answer(
    service: Service, event: Mapping[str, Any], record: Record, *, ends_at_s: float
) -> dict[str, Any]:
    """Return the answer to a request of a node that follows this one."""
    record.kind = "log"
    try:
        return _wrapped(_part(service, event, record, ends_at_s))
    except SqlatchError as error:
        record.note(error)
        return http.wrap_error(error)


def _part(service: Service, event: Mapping[str, Any], record: Record, ends_at_s: float) -> Part:
    method, path = http.route(event)
    database, _, rest = path.removeprefix(LOG_ROOT).removeprefix("/").partition("/")
    access = _access(service, event)
    if access is not None:
        if database not in {"", KEY}:
            access.allow(database)
        elif access.databases is not None:
            raise Unauthorized("the logs of all databases are for a token that may write to all")
        if not access.writes:
            raise Unauthorized(
                "a log has more than can be queried: it needs a token that may write"
            )
    if method != "GET" or (database not in {"", KEY} and not _DATABASE.fullmatch(database)):
        raise http.BadRequest(f"no such path: {method} {path!r}", status=404)
    if not database:
        return Part(to_json({"databases": service.databases.sizes_bytes()}))
    if database == KEY:
        key = base64.b64encode(service.stream_files.key()).decode()
        return Part(to_json({"key": key, "token_keys": service.token_keys}))
    record.database = database
    if rest == KEY:
        return Part(service.stream_files.key_of(database))
    asked = dict(parse_qsl(str(event.get("rawQueryString", "")), keep_blank_values=True))
    return service.tail(database).answer(rest, asked, ends_at_s)


def _access(service: Service, event: Mapping[str, Any]) -> "Access | None":
    """Return what the caller may do; None where IAM has let it in, by the route of its own.

    The gateway lets everybody into the route of libSQL clients, and the local server knows nobody:
    there it needs a token, whatever the other routes ask for.
    """
    if LOG_ROOT in str(event.get("routeKey")):
        return access_of(service, event)
    return service.tokens.access(http.headers_of(event).get("authorization"), service.clock.now())


def _wrapped(part: Part) -> dict[str, Any]:
    return {
        "statusCode": part.status,
        "headers": {
            "content-type": "application/octet-stream",
            "cache-control": "no-store",
            **part.headers,
        },
        "body": base64.b64encode(part.content).decode("ascii"),
        "isBase64Encoded": True,
    }
