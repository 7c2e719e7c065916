"""A node that leads, in a thread of this process: its logs over HTTP, and how it fails."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from storage.engine import Store
from storage.engines import Engine
from storage.nodes import Tail
from tests import http_server
from tests.grants import granted
from tests.storage.log.logs import OURS, fences


@dataclass
class Leader:
    """What was asked, and whether the node answers. `engine` keeps its databases."""

    engine: Engine
    url: str = ""
    asked: list[str] = field(default_factory=list)
    is_away: bool = False
    breaks_at: str = ""
    """A piece of the paths at which the connection ends."""
    tails: dict[str, Tail] = field(default_factory=dict)
    making: threading.Lock = field(default_factory=threading.Lock)

    def store(self, name: str = "main") -> Store:
        return self.engine.open(name, table=OURS, now=time.time)

    def tail(self, name: str) -> Tail:
        with self.making:
            return self.tails.setdefault(name, self.engine.tail(name))


def write(store: Store, *statements: str) -> int:
    """Commit statements in one transaction; return the position."""
    grant = granted(fence=next(fences))
    with store.write(grant, creates=True) as transaction:
        for sql in statements:
            transaction.connection.run(sql)
        return transaction.commit()


def rows(store: Store, sql: str = "SELECT n FROM t ORDER BY n") -> list[Any]:
    session = store.snapshot(time.time() + 10)
    return [row[0] for row in session.run(sql)]


@contextmanager
def leading(engine: Engine) -> Iterator[Leader]:
    """Serve the logs of an engine inside the block."""
    leader = Leader(engine)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            leader.asked.append(self.path)
            if leader.is_away or (leader.breaks_at and leader.breaks_at in self.path):
                self.close_connection = True
                return
            url = urlsplit(self.path)
            name, _, rest = url.path.removeprefix("/-/log").removeprefix("/").partition("/")
            if not name:
                self._answer(200, {}, json.dumps({"databases": engine.sizes_bytes()}).encode())
                return
            part = leader.tail(name).answer(rest, dict(parse_qsl(url.query)), time.time() + 20)
            self._answer(part.status, part.headers, part.content)

        def _answer(self, status: int, headers: Any, content: bytes) -> None:
            self.send_response(status)
            for header, value in headers.items():
                self.send_header(header, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_arguments: Any) -> None:
            """Nothing is printed."""

    class Threads(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

    server = Threads(("127.0.0.1", 0), Handler)
    leader.url = f"http://127.0.0.1:{server.server_address[1]}"
    with http_server.running(server):
        yield leader


def copies_of(tmp_path: Path, node: str) -> Path:
    return tmp_path / f"copies-{node}"
