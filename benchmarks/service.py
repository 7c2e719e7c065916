"""The service as AWS calls it: events into the handler, its log line and metrics on.

The log goes where stderr goes, which in a measurement is a file.
"""

import os
from pathlib import Path
from typing import Any

from benchmarks import data
from benchmarks.table_names import LEASE_TABLE
from handler.query import lambda_handler
from handler.service import service
from sqlatch.kernel.errors import SqlatchError

REFUSALS: tuple[type[Exception], ...] = (SqlatchError,)
PATIENCE_MS = 20_000


class Context:
    """The context that Lambda passes beside the event."""

    aws_request_id = "3f6c0d62-7d0c-4a6b-a6a5-5e0b6a5f2a37"

    def get_remaining_time_in_millis(self) -> int:
        return PATIENCE_MS + 1_000


CONTEXT = Context()


class Sqlatch:
    """The direct door. `settings` are variables that hold until it is closed."""

    def __init__(self, settings: dict[str, str]) -> None:
        self._settings = settings

    def read(self, number: int) -> str:
        reply = send(query=data.READ, parameters=[number])
        return str(reply["rows"][0][1])

    def write(self, number: int) -> None:
        send(query=data.WRITE, parameters=list(data.values_of(number)), timeout_ms=PATIENCE_MS)

    def close(self) -> None:
        service().close()
        service.cache_clear()
        for variable in self._settings:
            del os.environ[variable]


def send(**fields: Any) -> dict[str, Any]:
    """The reply to a direct invoke."""
    return invoke(fields)


def invoke(event: dict[str, Any]) -> dict[str, Any]:
    """Return the function's answer to an event."""
    return lambda_handler(event, CONTEXT)


def open_subject(directory: Path, *, settings: dict[str, str] | None = None) -> Sqlatch:
    """The service composed anew, on the databases of that directory."""
    variables = {
        "SQLATCH_DATABASES": str(directory),
        "SQLATCH_LEASES": f"dynamodb:{LEASE_TABLE}",
        **(settings or {}),
    }
    os.environ.update(variables)
    service.cache_clear()
    return Sqlatch(variables)
