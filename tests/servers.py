"""Servers in processes of their own: each prints its URL, and serves until its stdin ends."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.writers import ROOT

STOP_S = 60


@contextmanager
def serving(
    module: str, *arguments: str, launcher: Sequence[str] = (), stderr: int | None = None
) -> Iterator[str]:
    """The URL of a server that is alive inside the block. `launcher` is a command that starts it,
    say in another network."""
    with subprocess.Popen(
        [*launcher, sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.stdin.close()
            server.wait(STOP_S)
