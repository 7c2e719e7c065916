"""Lambda and CodeDeploy on this machine, for boto3: what it calls, what it was told."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests import http_server

PATH = "/2015-03-31/functions/"
REPORT = "CodeDeploy_20141006.PutLifecycleEventHookExecutionStatus"


@dataclass(slots=True)
class Aws:
    """The functions by the names that callers may use, and what CodeDeploy was told."""

    url: str
    functions: dict[str, Callable[[Any], Any]] = field(default_factory=dict)
    reports: list[dict[str, Any]] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL_LAMBDA": self.url,
            "AWS_ENDPOINT_URL_CODEDEPLOY": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "eu-west-1",
        }


@contextmanager
def running() -> Iterator[Aws]:
    """A server, alive inside the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    aws = Aws(f"http://127.0.0.1:{server.server_port}")
    server.aws = aws  # type: ignore[attr-defined]
    with http_server.running(server):
        yield aws


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        aws: Aws = self.server.aws  # type: ignore[attr-defined]
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        url = urlsplit(self.path)
        path = unquote(url.path)
        if self.headers.get("x-amz-target") == REPORT:
            aws.reports.append(body)
            return self._answer(200, {})
        qualifier = parse_qs(url.query).get("Qualifier", [])
        function = ":".join([path.removeprefix(PATH).removesuffix("/invocations"), *qualifier])
        if function not in aws.functions:
            refusal = {"Message": f"Function not found: {function}"}
            return self._answer(404, refusal, {"x-amzn-ErrorType": "ResourceNotFoundException"})
        answer = aws.functions[function](body)
        if self.headers.get("x-amz-invocation-type") == "Event":
            return self._answer(202, None)
        failed = isinstance(answer, dict) and "errorType" in answer
        headers = {"X-Amz-Function-Error": "Unhandled"} if failed else {}
        return self._answer(200, answer, headers)

    def _answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""
