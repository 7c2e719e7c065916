"""The HTTP server of one's own machine, which stands for API Gateway in front of the handler."""

import base64
import json
import sys
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from events.http import BODY_BYTES_MAX
from handler import query
from handler.local import LocalContext

HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})

FORM_TYPES = ("text/plain", "multipart/form-data")
"""Beside the one that curl sends, what a form of any web page can send without asking first."""

CORS_HEADERS = {
    "access-control-allow-methods": "GET, POST",
    "access-control-allow-headers": (
        "authorization, content-type, idempotency-key, sqlatch-at-least"
    ),
    "access-control-max-age": "3600",
}


class Server(ThreadingHTTPServer):
    """Answers requests one at a time, as an instance of the function does."""

    request_queue_size = 128
    daemon_threads = True

    def __init__(self, port: int, origins: Sequence[str]) -> None:
        super().__init__(("127.0.0.1", port), _Gateway)
        self.origins = frozenset(origins)
        self.one_at_a_time = threading.Lock()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error of ours."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def make_server(port: int, *, origins: Sequence[str] = ()) -> Server:
    """A server that hands requests to the handler as payload 2.0.

    A web page may call it only from its own address or from one of the `origins`.
    """
    return Server(port, origins)


class _Gateway(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        refusal = self._refusal()
        if refusal is not None:
            status, message = refusal
            self.close_connection = True
            self._send(status, {"content-type": "application/json"}, _message(message))
        elif self.command == "OPTIONS":
            self._send(204, CORS_HEADERS, b"")
        else:
            self._answer()

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_GET

    def _refusal(self) -> tuple[int, str] | None:
        """Status and reason for a request that does not reach the function."""
        return self._foreign() or self._malformed()

    def _foreign(self) -> tuple[int, str] | None:
        """Refuse what a web page of another site can send."""
        if not self._is_own_host():
            return 403, f"the host {self.headers.get('host')!r} is not this server: use localhost"
        origin = self.headers.get("origin")
        if origin is not None and not self._is_allowed(origin):
            return 403, f"pages of {origin} may not call this server: serve --origin {origin}"
        if "content-type" in self.headers and self.headers.get_content_type() in FORM_TYPES:
            return 415, "the content type is application/json"
        return None

    def _malformed(self) -> tuple[int, str] | None:
        if "transfer-encoding" in self.headers:
            return 411, "send a content-length"
        length = self.headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            return 400, f"the content-length {length!r} is no length"
        if int(length) > 2 * BODY_BYTES_MAX:
            return 413, f"the body has {length} bytes: the limit is {2 * BODY_BYTES_MAX}"
        return None

    def _is_own_host(self) -> bool:
        return urlsplit(f"//{self.headers.get('host', '')}").hostname in HOSTS

    def _is_allowed(self, origin: str) -> bool:
        own = f"http://{self.headers.get('host', '')}"
        return self._is_own_host() and (origin == own or origin in self.server.origins)

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        with self.server.one_at_a_time:
            answer = query.lambda_handler(self._event(body), LocalContext())
        content = answer["body"].encode()
        if answer["isBase64Encoded"]:
            content = base64.b64decode(content)
        self._send(answer["statusCode"], answer["headers"], content)

    def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if (origin := self.headers.get("origin")) and self._is_allowed(origin):
            self.send_header("access-control-allow-origin", origin)
            self.send_header("access-control-expose-headers", "sqlatch-position")
            self.send_header("vary", "origin")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _event(self, body: bytes) -> dict[str, Any]:
        url = urlsplit(self.path)
        return {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": url.path,
            "rawQueryString": url.query,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "requestContext": {
                "http": {
                    "method": self.command,
                    "path": url.path,
                    "protocol": self.request_version,
                    "sourceIp": self.client_address[0],
                },
                "requestId": str(uuid4()),
                "stage": "$default",
            },
            "body": body.decode("utf-8", "surrogateescape"),
            "isBase64Encoded": False,
        }

    def log_message(self, format: str, *args: Any) -> None:
        """The handler's own line says it all."""


def _message(text: str) -> bytes:
    """A refusal as API Gateway says it."""
    return json.dumps({"message": text}).encode()
