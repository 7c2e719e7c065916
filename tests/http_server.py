"""An HTTP server of the standard library in a thread of this process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import HTTPServer

POLL_S = 0.01
"""How often the server checks whether to end; half a second by default, which each test waits."""


@contextmanager
def running(server: HTTPServer) -> Iterator[None]:
    """Serve inside the block."""
    thread = threading.Thread(target=server.serve_forever, args=(POLL_S,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
