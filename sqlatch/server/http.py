"""The HTTP server, waitress, with the limits that it is run with."""

import logging
import select
import socket
import threading
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Any

from waitress import create_server, wasyncore

from sqlatch.server.gateway import Answer, Event, Gateway

HOST = "127.0.0.1"
BACKLOG = 1_024
CONNECTIONS_MAX = 800
"""At once, of the 1,024 files that Linux lets a process open; others wait until one ends."""
BODY_BYTES_MAX = 12 * 1024 * 1024
"""Twice the service's own limit, so that the service is the one to refuse, and says why."""
HEADERS_BYTES_MAX = 64 * 1024
RECEIVED_BYTES_MAX = 256 * 1024
"""By one call to the operating system."""
IDLE_S = 120
"""A connection on which nothing comes for so long is closed, in the middle of a request too."""
CHECK_S = 10
END_S = 5
"""How long the end of the server waits for requests that are being answered."""


class Server:
    """A server of one gateway; `threads` requests are answered at a time, and others wait.

    It listens on the address `host` of this machine, which others call by `names`.
    """

    def __init__(
        self,
        answer: Callable[[Event], Answer],
        port: int,
        *,
        host: str = HOST,
        names: Sequence[str] = (),
        origins: Sequence[str] = (),
        threads: int = 1,
        idle_s: int = IDLE_S,
    ) -> None:
        # That requests wait for a worker is no warning.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
        self.port: int = listening.getsockname()[1]
        self.url = f"http://{authority(host, names)}:{self.port}"
        self._sockets: dict[int, Any] = {}
        self._server = create_server(
            Gateway(answer, origins, [host, *names]),
            map=self._sockets,
            sockets=[listening],
            threads=threads,
            backlog=BACKLOG,
            connection_limit=CONNECTIONS_MAX,
            channel_timeout=idle_s,
            cleanup_interval=min(CHECK_S, idle_s),
            max_request_body_size=BODY_BYTES_MAX,
            # No part of a body goes through a file of the temporary directory.
            inbuf_overflow=BODY_BYTES_MAX,
            outbuf_overflow=BODY_BYTES_MAX,
            recv_bytes=RECEIVED_BYTES_MAX,
            max_request_header_size=HEADERS_BYTES_MAX,
            log_socket_errors=False,
            ident=None,
        )
        self._stopping = False
        # Held to wake the loop and to close what wakes it; a signal handler may come in between.
        self._waking = threading.RLock()

    def run(self) -> None:
        """Serve until `stop` is called."""
        # poll() takes any number of sockets; Windows has only select().
        use_poll = hasattr(select, "poll")
        try:
            while not self._stopping:
                wasyncore.loop(timeout=1, use_poll=use_poll, map=self._sockets, count=1)
        finally:
            self._server.task_dispatcher.shutdown(timeout=END_S)
            with self._waking:
                wasyncore.close_all(self._sockets)

    def stop(self) -> None:
        """End `run`, from another thread or a signal handler."""
        with self._waking:
            self._stopping = True
            if self._sockets:
                self._server.pull_trigger()


def authority(host: str, names: Sequence[str]) -> str:
    """Return what a URL names the server by: its first name, else its address.

    Of every address of the machine (0.0.0.0 or ::) the loopback one is named.
    """
    if names:
        return names[0]
    if ip_address(host).is_unspecified:
        host = "::1" if ":" in host else HOST
    return f"[{host}]" if ":" in host else host
