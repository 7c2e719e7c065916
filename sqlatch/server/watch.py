"""The counts of a local server since its start, for the console's view Watch."""

import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlatch.server.gateway import Answer, Event

PATH = "/console/watch"

DURATIONS_KEPT = 2_000
"""Of each door: the percentiles are those of its newest requests."""

STATEMENTS_MAX = 1_000
"""Shapes that are counted; those beyond are counted together."""

STATEMENTS_SHOWN = 100
OWN_KINDS = ("console", "health")
"""Requests of the page itself, which nobody watches."""

OTHERS = "(others)"


@dataclass(slots=True)
class Door:
    """The requests that came through one door."""

    requests: int = 0
    errors: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    durations_ms: deque[float] = field(default_factory=lambda: deque(maxlen=DURATIONS_KEPT))


@dataclass(slots=True)
class Statement:
    """The runs of statements of one shape in one database."""

    sql: str
    count: int = 0
    duration_ms: float = 0.0
    rows_scanned: int = 0


class Watch:
    """Counts by door and by shape of statement; several threads note at the same time."""

    def __init__(self) -> None:
        self._since_s = time.time()
        self._lock = threading.Lock()
        self._doors: dict[str, Door] = {}
        self._statements: dict[tuple[str, str], Statement] = {}
        self._lease_waits_ms: deque[float] = deque(maxlen=DURATIONS_KEPT)
        self._leases = self._takeovers = self._recoveries = 0

    def note(self, line: Mapping[str, Any]) -> None:
        """Count a request by its line in the log, which holds no values."""
        if line.get("kind") in OWN_KINDS:
            return
        with self._lock:
            door = self._doors.setdefault(str(line["door"]), Door())
            door.requests += 1
            door.durations_ms.append(line["duration_ms"])
            if "code" in line:
                door.errors += 1
                door.codes[line["code"]] += 1
            if "lease_wait_ms" in line:
                self._leases += 1
                self._lease_waits_ms.append(line["lease_wait_ms"])
            self._takeovers += line.get("leases_taken_over", 0)
            self._recoveries += line.get("hot_journals_recovered", 0)
            for shape in line.get("shapes", ()):
                self._add(str(line.get("database", "")), shape)

    def _add(self, database: str, shape: Mapping[str, Any]) -> None:
        name = (database, str(shape["fingerprint"]))
        if name not in self._statements and len(self._statements) >= STATEMENTS_MAX:
            name = (database, OTHERS)
        sql = OTHERS if name[1] == OTHERS else str(shape["sql"])
        statement = self._statements.setdefault(name, Statement(sql))
        statement.count += shape["count"]
        statement.duration_ms += shape["duration_ms"]
        statement.rows_scanned += shape["rows_scanned"]

    def counts(self) -> dict[str, Any]:
        """Return what was counted, the statements that took the most time first."""
        with self._lock:
            most = sorted(self._statements.items(), key=lambda one: -one[1].duration_ms)
            return {
                "since": self._since_s,
                "doors": [_door(name, door) for name, door in sorted(self._doors.items())],
                "leases": {
                    "taken": self._leases,
                    "wait_ms": _percentiles(self._lease_waits_ms),
                    "takeovers": self._takeovers,
                    "recoveries": self._recoveries,
                },
                "statements": [
                    {
                        "database": database,
                        "fingerprint": fingerprint,
                        "sql": one.sql,
                        "count": one.count,
                        "duration_ms": round(one.duration_ms, 3),
                        "rows_scanned": one.rows_scanned,
                    }
                    for (database, fingerprint), one in most[:STATEMENTS_SHOWN]
                ],
            }


def watched(
    answer: Callable[[Event], Answer],
    watch: Watch,
    *,
    beside: Callable[[Event], Answer],
    waiting: Callable[[], Mapping[str, Any]],
) -> Callable[[Event], Answer]:
    """Return `answer` with GET /console/watch, for those who may ask for the health.

    `beside` answers these while all others wait, of whom `waiting` tells.
    """

    def answering(event: Event) -> Answer:
        if event["rawPath"] != PATH or event["requestContext"]["http"]["method"] != "GET":
            return answer(event)
        headers = {**event["headers"], "accept-encoding": "identity"}
        health = beside({**event, "rawPath": "/health", "headers": headers})
        if health["statusCode"] not in (200, 503):
            return health
        body = {
            "health": json.loads(health["body"]),
            "waiting": waiting(),
            **watch.counts(),
        }
        return {**health, "statusCode": 200, "body": json.dumps(body)}

    return answering


def _door(name: str, door: Door) -> dict[str, Any]:
    return {
        "door": name,
        "requests": door.requests,
        "errors": door.errors,
        "codes": dict(door.codes.most_common()),
        "duration_ms": _percentiles(door.durations_ms),
    }


def _percentiles(values: Iterable[float]) -> dict[str, float | None]:
    ordered = sorted(values)
    return {
        f"p{part}": ordered[min(len(ordered) - 1, len(ordered) * part // 100)] if ordered else None
        for part in (50, 95, 99)
    }
