"""Two nodes: one leads, the other follows it. Each is `sqlatch serve`, in processes of its own."""

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlatch.client import Client, connect
from tests.local_server import serving


@dataclass
class Node:
    """A node that runs; `token` may do all."""

    url: str
    token: str

    def client(self, database: str = "main", **options: Any) -> "closing[Client]":
        return closing(connect(f"{self.url}/{database}/", token=self.token, **options))


@contextmanager
def leading(tmp_path: Path, **settings: str) -> Iterator[Node]:
    """A node whose databases are logs in a directory."""
    with _serving(f"directory:{tmp_path / 'logs'}", tmp_path / "copies-leader", settings) as node:
        yield node


@contextmanager
def following(leader: Node, tmp_path: Path, **settings: str) -> Iterator[Node]:
    settings = {"SQLATCH_LOG_TOKEN": leader.token, **settings}
    with _serving(leader.url, tmp_path / "copies-follower", settings) as node:
        yield node


@contextmanager
def _serving(log: str, copies: Path, settings: Mapping[str, str]) -> Iterator[Node]:
    copies.mkdir(exist_ok=True)
    environment = {**os.environ, "SQLATCH_COPIES": str(copies), **settings}
    with serving("--log", log, "--workers", "2", environment=environment) as exported:
        url = exported["SQLATCH_URL"].removesuffix("/main/")
        yield Node(url, exported["SQLATCH_TOKEN"])
