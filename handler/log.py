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
from handler.record import Record, error_metric
from sqlatch.kernel.errors import SqlatchError
from storage.fingerprint import fingerprint
from storage.tally import RAN, Ran

SHAPES_MAX = 20
"""Shapes of statements in a line: those of others are counted together."""
OTHERS = ("", "(others)")
NOTHING_RAN = {"count": 0, "values": 0, "duration_ms": 0.0, "rows_scanned": 0}

TRACE = "_X_AMZN_TRACE_ID"
# The places of a line's own values in a template.
TIME_HERE, VALUES_HERE, NUMBER_HERE = "(time)", "(values)", 7_654_321_000_111


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
        errors = {error_metric(code) for code in codes if code is not None}
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
