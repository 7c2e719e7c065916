"""The one line that a request leaves: JSON, which CloudWatch reads as metrics too."""

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TextIO

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import (
    AmazonCloudWatchEMFProvider,
)
from pydantic_core import to_json

from sqlatch.kernel.errors import Fact, SqlatchError

SERVER_SIDE = frozenset({
    "DATABASE_BUSY", "DATABASE_CORRUPT", "LEASE_LOST", "STORAGE_ERROR", "TIMEOUT",
})  # fmt: skip
"""Codes that the service answers for; LEASE_BUSY is counted apart, the others are the caller's."""

FAILURES_MAX = 100
"""Kinds of failure that a line tells, each with its database and its count."""

UNITS = {
    "DurationMs": MetricUnit.Milliseconds,
    "LeaseWaitMs": MetricUnit.Milliseconds,
}
"""Of the metrics; the others are counts."""


@dataclass(slots=True)
class Record:
    """What a request leaves behind. Never values, never SQL."""

    function_request_id: str
    door: str
    database: str | None = None
    kind: str | None = None
    code: str | None = None
    sqlite_code: Fact = None
    cause: str | None = None
    statements: int = 0
    rows: int = 0
    duration_ms: float = 0.0
    lease_wait_ms: float | None = None
    lease_not_released: bool = False
    leases_taken_over: int = 0
    hot_journals_recovered: int = 0
    leases_reaped: int = 0
    records_purged: int = 0
    databases_reached: int = 0
    messages: int | None = None
    messages_failed: int | None = None
    replayed: bool = False
    copies_failed: int | None = None
    copies_complete: bool = False
    databases: list[str] = field(default_factory=list)
    failures: list[dict[str, Fact]] = field(default_factory=list)

    def note(self, error: SqlatchError) -> None:
        """Keep why the request was refused; the message only where it cannot speak of its SQL."""
        cause = error.message if error.code in SERVER_SIDE else None
        self._note(error.code, error.facts.get("sqlite_code"), cause)

    def note_each(self, error: SqlatchError, database: str | None) -> None:
        """The same of one of several things that the request did: all of them are kept, counted."""
        self.note(error)
        self._count(database, error.code)

    def note_code(self, code: str) -> None:
        """Keep a refusal that the libSQL protocol has a code for, and we have none."""
        self._note(code, None, None)
        self._count(self.database, code)

    def _note(self, code: str, sqlite_code: Fact, cause: str | None) -> None:
        """The gravest stays: alarms look at `code`."""
        if self.code is None or _gravity(code) > _gravity(self.code):
            self.code, self.sqlite_code, self.cause = code, sqlite_code, cause

    def _count(self, database: str | None, code: str) -> None:
        for failure in self.failures:
            if (failure["database"], failure["code"]) == (database, code):
                failure["count"] = int(failure["count"] or 0) + 1
                return
        if len(self.failures) < FAILURES_MAX:
            self.failures.append({"database": database, "code": code, "count": 1})


@contextmanager
def logged(record: Record) -> Iterator[Record]:
    """Write the record's line when the block ends, however it ends."""
    started_s = time.perf_counter()
    try:
        yield record
    except SqlatchError as error:
        record.note(error)
        raise
    except Exception as error:
        record.code = type(error).__name__
        record.cause = str(error)
        raise
    finally:
        record.duration_ms = round((time.perf_counter() - started_s) * 1000, 3)
        _write(record)


def _write(record: Record) -> None:
    logger = _lines()
    if not logger.isEnabledFor(logging.INFO):
        return
    metrics = dict(_measured(record))
    fields: dict[str, Any] = {
        "_aws": {
            "Timestamp": int(time.time() * 1000),
            "CloudWatchMetrics": _directive(tuple(metrics)),
        },
        **metrics,
    }
    for name in Record.__slots__:
        value = getattr(record, name)
        if value or isinstance(value, float):
            fields[name] = value
    # As logger.info() does, but for the search of the stack for whoever called it.
    line = logging.LogRecord(logger.name, logging.INFO, "", 0, "request", None, None)
    line.__dict__["fields"] = fields
    logger.handle(line)


class _Formatter(LambdaPowertoolsFormatter):
    """Powertools' formatter; our own lines it puts together at once, which takes a third."""

    def format(self, record: logging.LogRecord) -> str:
        fields = record.__dict__.get("fields")
        if fields is None:
            return super().format(record)
        line = self.log_format | {
            "level": record.levelname,
            "message": record.msg,
            "timestamp": self.formatTime(record),
            **fields,
            "xray_trace_id": self._get_latest_trace_id(),
        }
        return _encoded({name: value for name, value in line.items() if value is not None})


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to sys.stderr as it is at each line: a process may replace it and close the first."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


@cache
def _directive(names: tuple[str, ...]) -> Any:
    """What tells CloudWatch which fields are metrics: the same for every line of a kind."""
    provider = AmazonCloudWatchEMFProvider(
        namespace=_name("POWERTOOLS_METRICS_NAMESPACE"), service=_name("POWERTOOLS_SERVICE_NAME")
    )
    for name in names:
        provider.add_metric(name, UNITS.get(name, MetricUnit.Count), 0)
    directive = provider.serialize_metric_set()["_aws"]["CloudWatchMetrics"]
    provider.clear_metrics()
    return directive


def _measured(record: Record) -> Iterator[tuple[str, float]]:
    yield "Requests", 1
    yield "DurationMs", record.duration_ms
    if record.lease_wait_ms is not None:
        yield "Writes", 1
        yield "LeaseWaitMs", record.lease_wait_ms
    codes = [record.code, *(str(failure["code"]) for failure in record.failures)]
    for metric in sorted({_error_metric(code) for code in codes if code is not None}):
        yield metric, 1
    if record.hot_journals_recovered:
        yield "HotJournalsRecovered", record.hot_journals_recovered
    if record.leases_reaped:
        yield "LeasesReaped", record.leases_reaped
    if record.copies_failed is not None:
        yield "CopiesFailed", record.copies_failed
        yield "CopiesComplete", int(record.copies_complete)


def _gravity(code: str) -> int:
    if code == "DATABASE_CORRUPT":
        return 3
    return ("Refusals", "LeaseBusy", "Errors").index(_error_metric(code))


def _error_metric(code: str) -> str:
    if code == "LEASE_BUSY":
        return "LeaseBusy"
    return "Errors" if code in SERVER_SIDE or not code.isupper() else "Refusals"


@cache
def _logger() -> Logger:
    return Logger(
        service=_name("POWERTOOLS_SERVICE_NAME"),
        logger_handler=_StandardError(),
        location=None,
        logger_formatter=_Formatter(json_serializer=_encoded),
    )


@cache
def _lines() -> logging.Logger:
    """The standard logger behind it, which is named after the service."""
    return logging.getLogger(_logger().name)


def _encoded(line: Any) -> str:
    return to_json(line, fallback=str).decode()


def _name(variable: str) -> str:
    return os.environ.get(variable, "sqlatch")
