"""Nodes that share a log, one of which leads: each is `sqlatch serve`, in a group of processes."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlatch.client import Client, connect
from tests.local_server import ROOT, exported
from tests.pages import free_ports

T = TypeVar("T")

CLUSTER = "lease:nodes"
WAITS_S = 60.0


@dataclass
class Member:
    """A node of a cluster, with the port that it keeps when it is started again."""

    name: str
    directory: Path
    settings: Mapping[str, str]
    port: str
    token: str = ""
    process: "subprocess.Popen[str] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def lines_path(self) -> Path:
        return self.directory / f"{self.name}.log"

    def start(self) -> None:
        copies = self.directory / f"copies-{self.name}"
        copies.mkdir(exist_ok=True)
        with self.lines_path.open("a") as lines:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sqlatch", "serve", "--json", "--port", self.port,
                 "--workers", "3"],
                cwd=ROOT,
                env={
                    **os.environ,
                    "SQLATCH_LOG": f"directory:{self.directory / 'logs'}",
                    "SQLATCH_COPIES": str(copies),
                    "SQLATCH_NODE": self.url,
                    **self.settings,
                },
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=lines, text=True,
                start_new_session=True,
            )  # fmt: skip
        assert self.process.stdout is not None
        self.token = exported(self.process.stdout)["SQLATCH_TOKEN"]

    def signal(self, number: int) -> None:
        """Send a signal to all processes of the node, as if it was a machine."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def kill(self) -> None:
        if self.process is not None:
            self.signal(signal.SIGKILL)
            self.process.communicate()
            self.process = None

    def end(self) -> None:
        """End it as an operator does."""
        assert self.process is not None
        self.process.terminate()
        self.process.communicate()
        self.process = None

    def client(self, database: str = "main", **options: Any) -> Client:
        return connect(f"{self.url}/{database}/", token=self.token, **options)

    def lines(self) -> list[dict[str, Any]]:
        """The lines of its log so far."""
        text = self.lines_path.read_text()
        return [json.loads(line) for line in text.splitlines() if re.match(r"\{.*\}$", line)]


@contextmanager
def cluster(
    directory: Path,
    names: str = "abc",
    *,
    lease_s: float = 2.0,
    of_each: Mapping[str, Mapping[str, str]] | None = None,
    **settings: str,
) -> Iterator[list[Member]]:
    """Nodes that share the log in a directory; settings of all, and those of each by its name."""
    (directory / "logs").mkdir()
    all_settings = {
        "SQLATCH_LEADER": CLUSTER,
        "SQLATCH_LEADER_LEASE_S": str(lease_s),
        **settings,
    }
    with free_ports(len(names)) as ports:
        members = [
            Member(name, directory, all_settings | dict((of_each or {}).get(name, {})), port)
            for name, port in zip(names, ports, strict=True)
        ]
        starting = [threading.Thread(target=member.start) for member in members]
        try:
            members[0].start()  # it makes the key of the tokens
            for thread in starting[1:]:
                thread.start()
            for thread in starting[1:]:
                thread.join()
            yield members
        finally:
            for member in members:
                member.kill()


def until(told: Callable[[], T], *, within_s: float = WAITS_S) -> T:
    """Return what is told once it is true."""
    ends_s = time.monotonic() + within_s
    while not (answer := told()):
        assert time.monotonic() < ends_s, "it did not come to be"
        time.sleep(0.02)
    return answer
