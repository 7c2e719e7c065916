"""The same handler on your machine: `invoke FILE...` runs test events, `serve` serves HTTP."""

import argparse
import base64
import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from events.doors import Door, door_of
from events.http import BODY_BYTES_MAX
from handler import query, reaper

TIMEOUT_S = 29.0
"""Of a local invocation: what the template gives the function."""

TOKEN_S = 30 * 86_400

DIRECTORY = "databases"


@dataclass(slots=True)
class LocalContext:
    """What Lambda passes beside the event."""

    aws_request_id: str = field(default_factory=lambda: str(uuid4()))
    ends_at_s: float = field(default_factory=lambda: time.monotonic() + TIMEOUT_S)

    def get_remaining_time_in_millis(self) -> int:
        return int((self.ends_at_s - time.monotonic()) * 1000)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is 1 if a function raised."""
    options = _options(arguments)
    if "SQLATCH_DATABASES" not in os.environ:
        Path(DIRECTORY).mkdir(exist_ok=True)
        os.environ["SQLATCH_DATABASES"] = DIRECTORY
    if options.command == "serve":
        serve(options.port)
        return 0
    return max([_invoke_file(path) for path in options.files])


def invoke(event: Any) -> dict[str, Any]:
    """What the function that this event is for returns, or raises."""
    if door_of(event) is Door.SCHEDULE:
        return reaper.lambda_handler(event, LocalContext())
    return query.lambda_handler(event, LocalContext())


def serve(port: int) -> None:
    """Serve the HTTP door on 127.0.0.1 until interrupted."""
    token = _token()
    server = make_server(port)
    url = f"http://127.0.0.1:{server.server_port}"
    print(f"{url} (POST /query, POST /read, GET /health; libSQL clients: {url}/main/)", flush=True)
    if token is not None:
        print(f"token for libSQL clients, until this ends: {token}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


def make_server(port: int) -> ThreadingHTTPServer:
    """An HTTP server that hands requests to the handler as payload 2.0, one at a time as Lambda."""
    return ThreadingHTTPServer(("127.0.0.1", port), _HttpApi)


def _token() -> str | None:
    """A token for every database, by a key made for it; None if keys are set already."""
    if os.environ.get("SQLATCH_TOKEN_KEYS"):
        return None
    from sqlatch.tokens import new_key, sign

    private, os.environ["SQLATCH_TOKEN_KEYS"] = new_key()
    return sign(private, access="rw", databases="*", lifetime_s=TOKEN_S)


class _HttpApi(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    one_at_a_time = threading.Lock()

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_PUT = do_DELETE = do_PATCH = do_GET

    def _answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(min(length, 2 * BODY_BYTES_MAX))
        with self.one_at_a_time:
            answer = query.lambda_handler(self._event(body), LocalContext())
        content = answer["body"].encode()
        if answer["isBase64Encoded"]:
            content = base64.b64decode(content)
        self.send_response(answer["statusCode"])
        for name, value in answer["headers"].items():
            self.send_header(name, value)
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


def _invoke_file(path: Path) -> int:
    """Print what a function answers to the event in a file, as Lambda would show it."""
    try:
        event = json.loads(path.read_bytes())
        answer = invoke(event)
    except Exception as error:
        answer = {"errorType": type(error).__name__, "errorMessage": str(error)}
        status = 1
    else:
        status = 0
    print(json.dumps(answer, indent=2, ensure_ascii=False))
    return status


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m handler.local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("invoke", help="run events from files, in order")
    command.add_argument("files", nargs="+", type=Path, metavar="FILE")
    command = commands.add_parser("serve", help="serve the HTTP door on 127.0.0.1")
    command.add_argument("--port", type=int, default=8000)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
