"""The service as AWS calls it: events into the handler, its log line and metrics on.

The log line goes where stderr goes, which in a measurement is a file.
"""

import shutil
from pathlib import Path
from typing import Any

from benchmarks import data
from benchmarks.files import WRITTEN
from benchmarks.subjects import TABLE
from benchmarks.table_names import LEASE_TABLE, LOG_TABLE
from handler import query
from handler.service import Service, service
from handler.settings import Settings
from sqlatch.kernel.errors import SqlatchError

REFUSALS: tuple[type[Exception], ...] = (SqlatchError,)
PATIENCE_MS = 20_000
DATABASE = "main"
LOGS = "logs"
"""Beside the file of a directory, the one with the log that begins with it."""
COPIES = "copies"
"""The private copies of an instance: a new one has none yet."""
MAX_AGE_MS = 60_000
PREFIX = "logs"
IN_A_TABLE = f"dynamodb:{LOG_TABLE},s3://{LOG_TABLE}/{PREFIX}"


class Context:
    """The context that Lambda passes beside the event."""

    aws_request_id = "3f6c0d62-7d0c-4a6b-a6a5-5e0b6a5f2a37"

    def get_remaining_time_in_millis(self) -> int:
        return PATIENCE_MS + 1_000


CONTEXT = Context()


class Sqlatch:
    """The direct door of a service of its own: several may be open in one process."""

    def __init__(
        self, variables: dict[str, str], *, database: str = DATABASE, max_age_ms: int = 0
    ) -> None:
        settings = Settings.from_environment(
            {"SQLATCH_LEASES": f"dynamodb:{LEASE_TABLE}", **variables}
        )
        self.service = Service(settings)
        self._to = {} if database == DATABASE else {"database": database}
        self._age = {"max_age_ms": max_age_ms} if max_age_ms else {}

    def read(self, number: int) -> str:
        reply = self.send(query=data.READ, parameters=[number], **self._age)
        return str(reply["rows"][0][1])

    def write(self, number: int) -> None:
        values = list(data.values_of(number))
        self.send(query=data.WRITE, parameters=values, timeout_ms=PATIENCE_MS)

    def send(self, **fields: Any) -> dict[str, Any]:
        """The reply to a direct invoke."""
        return self.invoke({**self._to, **fields})

    def invoke(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return the function's answer to an event."""
        # The handler asks for the one service of its process. From here on that is this one.
        vars(query)["service"] = self._own
        return query.lambda_handler(event, CONTEXT)

    def close(self) -> None:
        self.service.close()
        vars(query)["service"] = service

    def _own(self) -> Service:
        return self.service


def open_subject(directory: Path, *, settings: dict[str, str] | None = None) -> Sqlatch:
    """A service on the database files of that directory."""
    return Sqlatch({"SQLATCH_DATABASES": str(directory), **(settings or {})})


def on_logs(logs: Path, copies: Path) -> Sqlatch:
    """A service on the logs of a directory; an instance that has no copies yet makes them there."""
    return Sqlatch({"SQLATCH_LOG": f"directory:{logs}", "SQLATCH_COPIES": str(copies)})


def open_log(directory: Path) -> Sqlatch:
    """A service on a log, which begins with the database file of that directory."""
    logs, copies = directory / LOGS, directory / COPIES
    logs.mkdir(exist_ok=True)
    copies.mkdir(exist_ok=True)
    subject = on_logs(logs, copies)
    if not (logs / DATABASE).exists():
        subject.service.databases.add(DATABASE, directory / data.FILE)
    return subject


def open_table(directory: Path, *, max_age_ms: int = 0) -> Sqlatch:
    """A service on a log in DynamoDB and S3, of the directory's name, which begins likewise."""
    copies, is_new = directory / COPIES, not (directory / COPIES).exists()
    copies.mkdir(exist_ok=True)
    variables = {"SQLATCH_LOG": IN_A_TABLE, "SQLATCH_COPIES": str(copies)}
    subject = Sqlatch(variables, database=directory.name, max_age_ms=max_age_ms)
    if is_new:
        subject.service.databases.add(directory.name, directory / data.FILE)
    return subject


def open_table_aged(directory: Path) -> Sqlatch:
    """The same; its reads take what the instance has known for up to a minute."""
    return open_table(directory, max_age_ms=MAX_AGE_MS)


def forget_copies(directory: Path) -> None:
    """Have the next instance on a log begin without a copy."""
    for copy in (directory / COPIES).glob("*"):
        shutil.rmtree(copy)


def written_in_log(directory: Path, name: str) -> int:
    """Return how many rows were added to a log."""
    subject = open_table(directory) if name == TABLE else open_log(directory)
    rows = subject.send(query=WRITTEN, parameters=[data.ROWS])["rows"]
    subject.close()
    return int(rows[0][0])
