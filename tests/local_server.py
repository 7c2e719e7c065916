"""`sqlatch serve` for tests: as a process of its own, or its gateway in front of this process."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from handler import query
from handler.local import LocalContext
from sqlatch.server.http import Server

ROOT = Path(__file__).parent.parent


@contextmanager
def serving(
    *options: str, environment: Mapping[str, str] = os.environ, log: IO[str] | int | None = None
) -> Iterator[dict[str, str]]:
    """Serve inside the block; the variables that a client needs: SQLATCH_URL, SQLATCH_TOKEN."""
    with subprocess.Popen(
        [sys.executable, "-m", "sqlatch", "serve", "--port", "0", *options],
        cwd=ROOT,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if log is None else log,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield exported(process.stdout)
        finally:
            process.terminate()


def exported(printed: Iterable[str]) -> dict[str, str]:
    """Return the variables of the line `export ...` that a server prints when it is ready."""
    for line in printed:
        if line.startswith("export "):
            return dict(re.findall(r"(\w+)=(\S+)", line))
    raise AssertionError("the server has ended before it was ready")


def answer(event: dict[str, Any]) -> dict[str, Any]:
    """Return the answer of the service that this process has composed."""
    return query.lambda_handler(event, LocalContext())


@contextmanager
def running(server: Server) -> Iterator[None]:
    """Run a server in a thread of this process."""
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield
    finally:
        server.stop()
        thread.join()


def event(sql: str) -> dict[str, Any]:
    """Return a request as the gateway hands it over."""
    return {
        "version": "2.0",
        "rawPath": "/query",
        "rawQueryString": "",
        "headers": {"host": "localhost"},
        "requestContext": {"http": {"method": "POST", "path": "/query"}, "stage": "$default"},
        "body": json.dumps({"query": sql}),
        "isBase64Encoded": False,
    }
