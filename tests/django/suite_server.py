"""The service as a process of its own, which the remote backend is tested against."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
READY_LINES = 2


@contextmanager
def serving(directory: Path) -> Iterator[dict[str, str]]:
    """Return the environment for the suite's settings: the address, and a token."""
    command = [sys.executable, "-m", "handler.local", "serve", "--port", "0"]
    environment = {**os.environ, "SQLATCH_DATABASES": str(directory), "LOG_LEVEL": "ERROR"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            said = "".join(server.stdout.readline() for _line in range(READY_LINES))
            address = re.search(r"http://127\.0\.0\.1:\d+", said)
            token = re.search(r"ends: (\S+)", said)
            assert address is not None
            assert token is not None
            yield {"SUITE_URL": address[0], "SUITE_TOKEN": token[1]}
        finally:
            server.terminate()
