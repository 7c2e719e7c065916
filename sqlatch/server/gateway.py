"""The gateway: HTTP requests as events of API Gateway, and answers of the service as HTTP."""

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from email.message import Message
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

Event = dict[str, Any]
Answer = dict[str, Any]
Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]

HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})

FORM_TYPES = ("text/plain", "multipart/form-data")
"""Beside the one that curl sends, what a form of any web page can send without asking first."""

FOREIGN_SITES = ("cross-site", "same-site")
READ = "/read"
"""A page of another site can ask for this URL as it does for an image, without an origin. The
answer is hidden from it, but not how long that took."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})

CORS_HEADERS = {
    "access-control-allow-methods": "GET, POST",
    "access-control-allow-headers": (
        "authorization, content-type, idempotency-key, if-none-match, sqlatch-at-least"
    ),
    "access-control-max-age": "3600",
}


class Gateway:
    """A WSGI application that hands requests to `answer` as payload 2.0.

    A web page may call it only from its own address or from one of the `origins`. A request must
    be for this machine by a loopback name, or by one of `names`.
    """

    def __init__(
        self, answer: Callable[[Event], Answer], origins: Sequence[str], names: Sequence[str] = ()
    ) -> None:
        self._answer = answer
        self._origins = frozenset(origins)
        self._names = HOSTS | {name.lower() for name in names}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        headers = _headers_of(environ)
        method = environ["REQUEST_METHOD"]
        answer = self._refusal(method, environ["REQUEST_URI"], headers)
        if answer is None and method == "OPTIONS":
            answer = {"statusCode": 204, "headers": CORS_HEADERS, "body": ""}
        if answer is None:
            answer = self._answer(_event_of(environ, headers))
        content = answer["body"].encode()
        if answer.get("isBase64Encoded"):
            content = base64.b64decode(content)
        status = HTTPStatus(answer["statusCode"])
        said = {**answer["headers"], **self._for_page(headers)}
        said.setdefault("vary", "origin")
        if status != HTTPStatus.NOT_MODIFIED:  # its length would be that of the answer it is about
            said["content-length"] = str(len(content))
        start_response(f"{status.value} {status.phrase}", list(said.items()))
        return [] if method == "HEAD" or not content else [content]

    def _refusal(self, method: str, uri: str, headers: dict[str, str]) -> Answer | None:
        """Refuse what a web page of another site can send."""
        host = headers.get("host", "")
        if not self._is_ours(host):
            return refusal(
                403, f"the host {host!r} is not this server: use localhost, or serve --name HOST"
            )
        origin = headers.get("origin")
        if origin is not None and not self._is_allowed(origin, host):
            return refusal(403, f"pages of {origin} may not call this server: serve --origin URL")
        is_foreign = origin is None and headers.get("sec-fetch-site") in FOREIGN_SITES
        if is_foreign and urlsplit(uri).path.endswith(READ):
            return refusal(403, "a page of another site may not read here: serve --origin URL")
        if _media_type(headers.get("content-type", "application/json")) in FORM_TYPES:
            return refusal(415, "the content type is application/json")
        if method not in METHODS:
            return refusal(501, f"the method {method!r} is not one of {', '.join(sorted(METHODS))}")
        return None

    def _is_ours(self, host: str) -> bool:
        return urlsplit(f"//{host}").hostname in self._names

    def _is_allowed(self, origin: str, host: str) -> bool:
        return origin in self._origins or origin == f"http://{host}"

    def _for_page(self, headers: dict[str, str]) -> dict[str, str]:
        """Return the headers that let a page of another origin read the answer."""
        origin, host = headers.get("origin"), headers.get("host", "")
        if origin is None or not self._is_ours(host) or not self._is_allowed(origin, host):
            return {}
        return {
            "access-control-allow-origin": origin,
            "access-control-expose-headers": "etag, sqlatch-position",
        }


def refusal(status: int, message: str) -> Answer:
    """Return an answer that says why a request did not reach the service, as API Gateway does."""
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    return {"statusCode": status, "headers": headers, "body": json.dumps({"message": message})}


def _headers_of(environ: Environ) -> dict[str, str]:
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.replace("_", "-").lower()] = environ[name]
    return headers


def _event_of(environ: Environ, headers: dict[str, str]) -> Event:
    url = urlsplit(environ["REQUEST_URI"])
    body: bytes = environ["wsgi.input"].read()
    method = environ["REQUEST_METHOD"]
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": url.path,
        "rawQueryString": url.query,
        "headers": headers,
        "requestContext": {
            "http": {
                # The answer to HEAD is that to GET without its body.
                "method": "GET" if method == "HEAD" else method,
                "path": url.path,
                "protocol": environ["SERVER_PROTOCOL"],
                "sourceIp": environ["REMOTE_ADDR"],
            },
            "requestId": str(uuid4()),
            "stage": "$default",
        },
        "body": body.decode("utf-8", "surrogateescape"),
        "isBase64Encoded": False,
    }


def _media_type(content_type: str) -> str:
    header = Message()
    header["content-type"] = content_type
    return header.get_content_type()
