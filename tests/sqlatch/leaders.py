"""A leader in this process, which can be stopped and counts what it is asked."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from handler.service import service
from sqlatch.server.http import Server
from sqlatch.tokens import new_key, sign
from tests import local_server
from tests.conftest import forget


@dataclass
class Leader:
    """A node whose databases are logs. It takes tokens alone."""

    private_key: str
    port: int = 0
    asked: list[str] = field(default_factory=list)
    """The paths that it was asked for."""
    _server: Server | None = None
    _thread: threading.Thread | None = None
    _turn: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def token(self, database: str) -> str:
        """A token that may write to one database."""
        return sign(self.private_key, access="rw", databases=[database], lifetime_s=600)

    def start(self) -> None:
        self._server = Server(self._answer, self.port, threads=8)
        self.port = int(self._server.url.rpartition(":")[2])
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()

    def stop(self) -> None:
        assert self._server is not None
        assert self._thread is not None
        self._server.stop()
        self._thread.join()

    def asked_for_rows(self) -> int:
        """The number of requests that were no question for the log."""
        return sum(not path.startswith("/-/log") for path in self.asked)

    def _answer(self, event: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(event["rawPath"])
        if event["rawPath"].startswith("/-/log"):
            return local_server.answer(event)
        with self._turn:
            return local_server.answer(event)


@contextmanager
def leading(directory: Path) -> Iterator[Leader]:
    private, public = new_key()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "LOG": f"directory:{directory / 'logs'}",
            "COPIES": str(directory),
            "TOKEN_KEYS": public,
            "HTTP_AUTH": "token",
        }.items():
            patch.setitem(os.environ, f"SQLATCH_{name}", value)
        (directory / "logs").mkdir()
        service.cache_clear()
        leader = Leader(private)
        leader.start()
        yield leader
        leader.stop()
        forget(service)
