"""The one line that a request leaves: JSON, which CloudWatch reads as metrics too."""

import logging
import os
import sys
import time
from contextvars import Token
from dataclasses import dataclass, field
from functools import cache
from operator import attrgetter
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from pydantic_core import to_json

from handler.metrics import directive_of, name_of
from sqlatch.kernel.errors import Fact, SqlatchError
from storage.fingerprint import fingerprint
from storage.tally import RAN, Ran

SERVER_SIDE = frozenset({"DATABASE_BUSY", "DATABASE_CORRUPT", "LEADER_UNREACHABLE", "LEASE_LOST",
                         "STORAGE_ERROR", "TIMEOUT"})  # fmt: skip
"""Codes that the service answers for; LEASE_BUSY is counted apart, the others are the caller's."""

FAILURES_MAX, SHAPES_MAX = 100, 20
"""Kinds of failure in a line, and shapes of statements: those of others are counted together."""
OTHERS = ("", "(others)")
NOTHING_RAN = {"count": 0, "values": 0, "duration_ms": 0.0, "rows_scanned": 0}

TRACE = "_X_AMZN_TRACE_ID"
# The places of a line's own values in a template.
TIME_HERE, VALUES_HERE, NUMBER_HERE = "(time)", "(values)", 7_654_321_000_111


@dataclass(slots=True)
class Record:
    """The facts of a request for its log line: no values, and of SQL the shapes without them."""

    function_request_id: str
    door: str
    database: str | None = None
    kind: str | None = None
    code: str | None = None
    sqlite_code: Fact = None
    cause: str | None = None
    statements: int = 0
    rows: int = 0
    link_bytes: int = 0
    duration_ms: float = 0.0
    lease_wait_ms: float | None = None
    lease_not_released: bool = False
    leases_taken_over: int = 0
    position: str | None = None
    term: int | None = None
    records_applied: int = 0
    attempts: int = 0
    bytes_shipped: int = 0
    hydration_ms: float = 0.0
    bytes_fetched: int = 0
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
    shapes: list[dict[str, Any]] = field(default_factory=list)

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


NAMES = Record.__slots__
_values_of = attrgetter(*NAMES)


@dataclass(slots=True)
class Logged:
    """A block at whose end the record's line is written, however it ends."""

    record: Record
    _started_s: float = field(default_factory=time.perf_counter)
    _token: Token[list[Ran] | None] | None = None

    def __enter__(self) -> Record:
        self._token = RAN.set([])
        return self.record

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: object
    ) -> None:
        record = self.record
        if self._token is not None:
            record.shapes = _shapes_of(RAN.get() or [])
            RAN.reset(self._token)
        if isinstance(error, SqlatchError):
            record.note(error)
        elif isinstance(error, Exception):
            record.code = type(error).__name__
            record.cause = str(error)
        record.duration_ms = round((time.perf_counter() - self._started_s) * 1000, 3)
        logger = lines()
        if logger.isEnabledFor(logging.INFO):
            logger.handle(_line(record, logger.name))


def _line(record: Record, logger: str) -> logging.LogRecord:
    """Return the line as logging passes it on.

    Made as `logger.info()` makes it, but for the search of the stack, the thread and the process,
    which no formatter of ours tells and which take a third of the time.
    """
    now_s = time.time()
    values = zip(NAMES, _values_of(record), strict=True)
    line = object.__new__(logging.LogRecord)
    line.__dict__ = {
        **_like(logger),
        "created": now_s,
        "msecs": now_s % 1 * 1000,
        "metrics": _measured(record),
        "fields": {name: value for name, value in values if value or value.__class__ is float},
    }
    return line


@cache
def _like(logger: str) -> dict[str, Any]:
    """Return the attributes that all lines have in common."""
    return logging.LogRecord(logger, logging.INFO, "", 0, "request", None, None).__dict__


@dataclass(frozen=True, slots=True)
class _Template:
    """The parts of a line that are the same in all with these metrics."""

    log_format: dict[str, Any]
    before_time: str
    before_moment: str
    before_values: str
    end: str


class _Formatter(LambdaPowertoolsFormatter):
    """Powertools' formatter; our own lines it puts together of parts, which takes a tenth."""

    def __init__(self) -> None:
        super().__init__(json_serializer=_encoded)
        self._templates: dict[tuple[str, ...], _Template] = {}
        self._second = (0, "", "")

    def format(self, record: logging.LogRecord) -> str:
        own = record.__dict__
        if "fields" not in own:
            return super().format(record)
        metrics = own["metrics"]
        template = self._templates.get(tuple(metrics))
        if template is None or template.log_format != self.log_format:
            template = self._templates[tuple(metrics)] = self._template(tuple(metrics))
        second, before_msecs, after_msecs = self._second
        if second != int(own["created"]):
            second, before_msecs, after_msecs = self._second = self._around_msecs(record)
        values = to_json({**metrics, **own["fields"]}, fallback=str).decode()
        trace = f',"xray_trace_id":"{self._get_latest_trace_id()}"' if TRACE in os.environ else ""
        return (
            f"{template.before_time}{before_msecs}{int(own['msecs']):03}{after_msecs}"
            f"{template.before_moment}{int(own['created'] * 1000)}"
            f"{template.before_values}{values[1:-1]}{trace}{template.end}"
        )

    def _template(self, metrics: tuple[str, ...]) -> _Template:
        line = self.log_format | {
            "level": "INFO",
            "message": "request",
            "timestamp": TIME_HERE,
            "_aws": {"Timestamp": NUMBER_HERE, "CloudWatchMetrics": directive_of(metrics)},
            VALUES_HERE: NUMBER_HERE,
        }
        text = _encoded({name: value for name, value in line.items() if value is not None})
        before_time, rest = text.split(TIME_HERE)
        before_moment, before_values, end = rest.split(str(NUMBER_HERE))
        before_values = before_values.removesuffix(f'"{VALUES_HERE}":')
        return _Template(self.log_format.copy(), before_time, before_moment, before_values, end)

    def _around_msecs(self, record: logging.LogRecord) -> tuple[int, str, str]:
        """Return a second, and what Powertools writes of it before and behind its milliseconds."""
        second = int(record.created)
        whole = logging.makeLogRecord({"created": second, "msecs": NUMBER_HERE})
        before, after = self.formatTime(whole).split(str(NUMBER_HERE))
        return second, before, after


class _StandardError(logging.Handler):
    """Writes to sys.stderr as it is at each line: a process may replace it and close the first."""

    def emit(self, record: logging.LogRecord) -> None:
        stream = sys.stderr
        try:
            stream.write(self.format(record) + "\n")
            stream.flush()
        except Exception:  # noqa: BLE001 (a handler of logging raises nothing)
            self.handleError(record)


def _shapes_of(ran: list[Ran]) -> list[dict[str, Any]]:
    """Return the statements that ran, counted by their shapes, in the order in which these came."""
    shapes: dict[tuple[str, str], dict[str, Any]] = {}
    for sql, sets, took_s, scanned in ran:
        name = fingerprint(sql)
        if name not in shapes and len(shapes) >= SHAPES_MAX:
            name = OTHERS
        if (shape := shapes.get(name)) is None:
            shape = shapes[name] = {"fingerprint": name[0], "sql": name[1], **NOTHING_RAN}
        shape["count"] += 1
        shape["values"] += sets
        shape["duration_ms"] = round(shape["duration_ms"] + took_s * 1000, 3)
        shape["rows_scanned"] += scanned
    return list(shapes.values())


def _measured(record: Record) -> dict[str, float]:
    metrics: dict[str, float] = {"Requests": 1, "DurationMs": record.duration_ms}
    if record.lease_wait_ms is not None or record.attempts:
        metrics["Writes"] = 1
    if record.lease_wait_ms is not None:
        metrics["LeaseWaitMs"] = record.lease_wait_ms
    if record.code is not None or record.failures:
        codes = [record.code, *(str(failure["code"]) for failure in record.failures)]
        errors = {_error_metric(code) for code in codes if code is not None}
        metrics |= dict.fromkeys(sorted(errors), 1)
    if record.hydration_ms:
        metrics["HydrationMs"] = record.hydration_ms
    if record.hot_journals_recovered:
        metrics["HotJournalsRecovered"] = record.hot_journals_recovered
    if record.leases_reaped:
        metrics["LeasesReaped"] = record.leases_reaped
    if record.copies_failed is not None:
        metrics["CopiesFailed"] = record.copies_failed
        metrics["CopiesComplete"] = int(record.copies_complete)
    return metrics


def _gravity(code: str) -> int:
    kinds = ("Refusals", "LeaseBusy", "Errors")
    return 3 if code == "DATABASE_CORRUPT" else kinds.index(_error_metric(code))


def _error_metric(code: str) -> str:
    if code == "LEASE_BUSY":
        return "LeaseBusy"
    return "Errors" if code in SERVER_SIDE or not code.isupper() else "Refusals"


@cache
def _logger() -> Logger:
    return Logger(
        service=name_of("POWERTOOLS_SERVICE_NAME"),
        logger_handler=_StandardError(),
        location=None,
        logger_formatter=_Formatter(),
    )


@cache
def lines() -> logging.Logger:
    """The standard logger behind it, which is named after the service."""
    return logging.getLogger(_logger().name)


def _encoded(line: Any) -> str:
    return to_json(line, fallback=str).decode()
