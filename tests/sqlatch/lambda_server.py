"""Lambda's Invoke API on this machine: boto3 speaks to it, and it calls the real handler."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from handler import local
from tests import http_server

FUNCTION = "sqlatch-query"
PATH = "/2015-03-31/functions/"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer in place of the function's own; with `runs` the function runs before."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)
    runs: bool = False
    cut_off: bool = False


@dataclass(slots=True)
class LambdaServer:
    """The server: `events` it has seen, `mishaps` that befall the next invokes, one each.

    `configuration` is what AWS says of the function.
    """

    url: str
    events: list[Any] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    mishaps: list[Answer | None] = field(default_factory=list)
    configuration: dict[str, Any] = field(default_factory=dict)
    refuses_configuration: Answer | None = None
    changes: Callable[[Any], Any] = lambda event: event
    one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, path: str, body: bytes) -> Answer:
        event = json.loads(body)
        self.paths.append(path)
        self.events.append(event)
        mishap = self.mishaps.pop(0) if self.mishaps else None
        function = unquote(path.removeprefix(PATH)).partition("/")[0]
        if not mishap and function.rpartition(":")[2] != FUNCTION:
            return refusal(404, "ResourceNotFoundException", f"Function not found: {function}")
        if mishap and not mishap.runs:
            return mishap
        with self.one_at_a_time:  # as an instance of a function is invoked
            returned = _invoke(self.changes(event))
        return mishap or returned


def refusal(status: int, code: str, message: str) -> Answer:
    """An error of Lambda's API, as AWS says it."""
    return Answer(status, {"Message": message}, {"x-amzn-ErrorType": code})


def function_error(body: Any) -> Answer:
    """The error that the function ended with, if it returned nothing."""
    return Answer(200, body, {"X-Amz-Function-Error": "Unhandled"})


@contextmanager
def running() -> Iterator[LambdaServer]:
    """A server, alive inside the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    state = LambdaServer(f"http://127.0.0.1:{server.server_port}")
    server.state = state  # type: ignore[attr-defined]
    with http_server.running(server):
        yield state


def _invoke(event: Any) -> Answer:
    try:
        return Answer(200, local.invoke(event))
    except Exception as error:  # noqa: BLE001 (as Lambda's runtime does)
        return function_error({
            "errorMessage": str(error),
            "errorType": type(error).__name__,
            "requestId": "b4c1",
            "stackTrace": ["  File ..."],
        })  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        state: LambdaServer = self.server.state  # type: ignore[attr-defined]
        assert self.path.partition("?")[0] == f"{PATH}{FUNCTION}/configuration"
        self._send(state.refuses_configuration or Answer(200, state.configuration))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self._send(self.server.state.answer(self.path, body))  # type: ignore[attr-defined]

    def _send(self, answer: Answer) -> None:
        content = (
            answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        )
        self.send_response(answer.status)
        self.send_header("content-length", str(len(content)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if answer.cut_off else content)
        self.close_connection = answer.cut_off

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""
