"""The service as a process of its own, which the remote backend is tested against."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import local_server


@contextmanager
def serving(directory: Path) -> Iterator[dict[str, str]]:
    """Return the environment for the suite's settings: the address, and a token."""
    environment = {**os.environ, "SQLATCH_DATABASES": str(directory), "LOG_LEVEL": "ERROR"}
    with local_server.serving(environment=environment, log=sys.stderr) as server:
        url = server["SQLATCH_URL"].removesuffix("/main/")
        yield {"SUITE_URL": url, "SUITE_TOKEN": server["SQLATCH_TOKEN"]}
