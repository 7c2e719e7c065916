"""The facts of a request, which its log line has and its answer may need."""

from dataclasses import dataclass, field
from typing import Any

from sqlatch.kernel.errors import Fact, SqlatchError

SERVER_SIDE = frozenset({"DATABASE_BUSY", "DATABASE_CORRUPT", "LEADER_UNREACHABLE", "LEASE_LOST",
                         "STORAGE_ERROR", "TIMEOUT"})  # fmt: skip
"""Codes that the service answers for; LEASE_BUSY is counted apart, the others are the caller's."""

FAILURES_MAX = 100
"""Kinds of failure that are kept: those beyond are not counted."""


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


def _gravity(code: str) -> int:
    kinds = ("Refusals", "LeaseBusy", "Errors")
    return 3 if code == "DATABASE_CORRUPT" else kinds.index(error_metric(code))


def error_metric(code: str) -> str:
    if code == "LEASE_BUSY":
        return "LeaseBusy"
    return "Errors" if code in SERVER_SIDE or not code.isupper() else "Refusals"
