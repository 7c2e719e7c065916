"""An S3 that keeps nothing: it counts the bytes of each object, so that one may be of any size.

    python -m tests.s3_counting      prints its URL, serves until its stdin ends

GET of a key answers with the number of its bytes.
"""

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

PIECE_BYTES = 1 << 20
SIZES: dict[str, int] = {}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._answer(str(SIZES[self._key]).encode())

    def do_POST(self) -> None:
        """Begin an object, or complete it: both answers in one."""
        self._read()
        SIZES.setdefault(self._key, 0)
        self._answer(b"<Answer><UploadId>1</UploadId></Answer>")

    def do_PUT(self) -> None:
        """Take a part, or an object in one piece."""
        SIZES[self._key] = SIZES.get(self._key, 0) + self._read()
        self._answer(b"")

    @property
    def _key(self) -> str:
        return urlsplit(self.path).path

    def _read(self) -> int:
        left = size = int(self.headers.get("content-length", 0))
        while left:
            left -= len(self.rfile.read(min(left, PIECE_BYTES)))
        return size

    def _answer(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.send_header("etag", '"tag"')
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()
