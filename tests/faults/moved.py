"""A database's file moved, replaced and removed while an instance has it open, under every door."""

import itertools
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw
import pytest

from handler import local
from handler.reaper import SECONDS_A_DAY, reap
from handler.record import Record
from handler.service import Service, service
from locking.clock import Clock
from sqlatch.kernel.errors import SqlatchError
from storage.inplace import store
from tests.conftest import forget
from tests.events.test_http import v2
from tests.handler.test_messages import record

Answer = dict[str, Any]


class Refused(SqlatchError):
    """A refusal as another door than the direct one says it."""

    code = "REFUSED"


@dataclass
class Case:
    """One database, what was done to its file, and where the file went."""

    path: Path
    aside: Path
    replaced: bool
    creates: bool
    baton: str | None = None

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def journal(self) -> Path:
        return self.path.with_name(f"{self.path.name}-journal")


def moved(case: Case) -> None:
    case.path.rename(case.aside)


def moved_with_its_journal(case: Case) -> None:
    case.path.rename(case.aside)
    case.journal.unlink()


def removed(case: Case) -> None:
    """Another link shows what is done to it."""
    os.link(case.path, case.aside)
    case.path.unlink()


def replaced(case: Case) -> None:
    os.link(case.path, case.aside)
    other = case.path.with_suffix(".new")
    connection = apsw.Connection(str(other))
    connection.execute("CREATE TABLE t (n UNIQUE); INSERT INTO t VALUES (100)")
    connection.close()
    other.replace(case.path)


Way = Callable[[Case], None]
WAYS: Sequence[Way] = (moved, moved_with_its_journal, removed, replaced)

KEPT = ("all", "readers", "none")
"""Which connections are open when the file goes."""

READ = "SELECT n FROM t"
WRITE = [
    {"query": "CREATE TABLE IF NOT EXISTS t (n UNIQUE)"},
    {"query": "INSERT INTO t VALUES (7)"},
]
FAILS = [{"query": "CREATE TABLE IF NOT EXISTS u (n)"}, {"query": "INSERT INTO missing VALUES (7)"}]


def libsql(case: Case, *statements: str, baton: str | None = None) -> Answer:
    """The results of a pipeline; SqlatchError for the first statement that failed."""
    requests = [{"type": "execute", "stmt": {"sql": sql}} for sql in statements]
    pipeline = {"baton": baton, "requests": requests}
    answer: Answer = local.invoke({"pipeline": pipeline, "database": case.name})
    for result in answer["results"]:
        if result["type"] == "error":
            raise Refused(result["error"]["code"])
    return answer


def direct(case: Case, **fields: Any) -> Answer:
    return dict(json.loads(json.dumps(local.invoke({"database": case.name, **fields}))))


def over_http(case: Case, **fields: Any) -> Answer:
    body = json.dumps({"database": case.name, **fields})
    answer = local.invoke(v2("POST", "/query", body))
    if answer["statusCode"] != 200:
        raise Refused(answer["body"])
    return dict(json.loads(answer["body"]))


def over_sqs(case: Case, **fields: Any) -> Answer:
    message = record("m", {"database": case.name, **fields})
    answer = local.invoke({"Records": [message]})
    if answer["batchItemFailures"]:
        raise Refused("m")
    return answer


READS: dict[str, Callable[[Case], Any]] = {
    "direct": lambda case: direct(case, query=READ)["rows"],
    "HTTP": lambda case: over_http(case, query=READ)["rows"],
    "libSQL": lambda case: [
        [int(value["value"]) for value in row]
        for row in libsql(case, READ)["results"][0]["response"]["result"]["rows"]
    ],
}

WRITES: dict[str, Callable[[Case], Any]] = {
    "direct": lambda case: direct(case, statements=WRITE),
    "direct, keyed": lambda case: direct(case, statements=WRITE, idempotency_key="k"),
    "HTTP": lambda case: over_http(case, statements=WRITE),
    "SQS": lambda case: over_sqs(case, statements=WRITE),
    "libSQL, each by itself": lambda case: libsql(case, *(one["query"] for one in WRITE)),
    "libSQL, in a transaction": lambda case: libsql(
        case, "BEGIN", *(one["query"] for one in WRITE), "COMMIT"
    ),
}

REFUSED: dict[str, Callable[[Case], Any]] = {
    "direct": lambda case: direct(case, statements=FAILS),
    "HTTP": lambda case: over_http(case, statements=FAILS),
    "SQS": lambda case: over_sqs(case, statements=FAILS),
    "libSQL": lambda case: libsql(case, "INSERT INTO missing VALUES (7)"),
}

TENDS: dict[str, Callable[[Case], Any]] = {
    "VACUUM": lambda case: direct(case, query="VACUUM"),
    "VACUUM over libSQL": lambda case: libsql(case, "VACUUM"),
    "the reaper": lambda case: reaped(case),
    "the reaper of another instance": lambda case: reaped(case, Service(service().settings)),
}


def reaped(case: Case, instance: Service | None = None) -> Answer:
    """Run the reaper when all records are past their time."""
    instance = instance or service()
    clock = instance.clock
    instance.clock = Clock(now=lambda: time.time() + 10 * SECONDS_A_DAY)
    try:
        report = reap(instance, Record("request", "schedule"), ends_at_s=instance.clock.now() + 9)
    finally:
        instance.clock = clock
        if instance is not service():
            instance.close()
    assert {failure["code"] for failure in report["failures"]} <= {"DATABASE_NOT_FOUND"}
    return report


def made(case: Case, create: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database with one row and one record, and an instance that may or may not make others."""
    monkeypatch.setenv("SQLATCH_CREATE", "on-write")
    service.cache_clear()
    statements = [{"query": "CREATE TABLE t (n UNIQUE)"}, {"query": "INSERT INTO t VALUES (1)"}]
    direct(case, statements=statements, idempotency_key="old")
    forget(service)
    monkeypatch.setenv("SQLATCH_CREATE", create)


def warm(case: Case, kept: str) -> None:
    """Open the connections that are kept, and begin a transaction of a libSQL client."""
    if kept == "all":
        for insert in (direct, over_sqs):
            insert(case, query="INSERT INTO t VALUES (2)")
            direct(case, query="DELETE FROM t WHERE n = 2")
        libsql(case, "INSERT INTO t VALUES (2)", "DELETE FROM t WHERE n = 2")
    if kept != "none":
        for read in READS.values():
            assert read(case) == [[1]]
    case.baton = libsql(case, "BEGIN", *(one["query"] for one in WRITE))["baton"]
    if kept == "none":
        service().close()


@dataclass(slots=True)
class Counts:
    """The counts of the campaign."""

    cases: int = 0
    acknowledged: int = 0
    refused: int = 0


@dataclass
class Campaign:
    """An action after every way to lose a file: at once and later, with connections warm or not."""

    directory: Path
    patch: pytest.MonkeyPatch
    ways: Sequence[Way] = WAYS
    counts: Counts = field(default_factory=Counts)

    def run(self, create: str, action: Callable[[Case], Any]) -> Iterator[tuple[Case, bool, Any]]:
        """Each case, whether the connections look again by then, and the answer or the error."""
        numbers = itertools.count()
        for way, late, kept in itertools.product(self.ways, (False, True), KEPT):
            self.patch.setattr(store, "IDENTITY_CHECKED_EVERY_S", 0 if late else 1_000)
            path = self.directory / f"d{next(numbers)}.db"
            case = Case(path, path.with_suffix(".aside"), way is replaced, create == "on-write")
            made(case, create, self.patch)
            warm(case, kept)
            way(case)
            before = case.aside.read_bytes()
            answer = answer_or_error(action, case)
            self.counts.cases += 1
            self.counts.refused += isinstance(answer, SqlatchError)
            self.counts.acknowledged += not isinstance(answer, SqlatchError)
            assert case.aside.read_bytes() == before, "what was moved away was written to"
            assert service().leases.held() == []
            yield case, late, answer
            forget(service)

    def run_reads(self, create: str, door: str) -> None:
        for case, late, answer in self.run(create, READS[door]):
            assert case.path.exists() == case.replaced, "a read made a file"
            if case.replaced:
                assert answer in ([[100]], *([] if late else [[[1]]])), "a replaced file was read"
            else:
                assert isinstance(answer, SqlatchError) or (not late and answer == [[1]])

    def run_writes(self, create: str, door: str) -> None:
        for case, _late, answer in self.run(create, WRITES[door]):
            acknowledged = not isinstance(answer, SqlatchError)
            assert acknowledged == (case.replaced or case.creates), answer
            assert rows(case) == ([100] if case.replaced else []) + ([7] if acknowledged else [])
            if acknowledged:
                read = READS["libSQL" if door.startswith("libSQL") else "direct"]
                assert read(case) == [[n] for n in rows(case)], "it does not read its own write"


def answer_or_error(action: Callable[[Case], Any], case: Case) -> Any:
    try:
        return action(case)
    except SqlatchError as error:
        return error


def rows(case: Case) -> list[int]:
    """Return the rows of the file of that name; none if there is no such file."""
    if not case.path.exists():
        return []
    connection = apsw.Connection(str(case.path), flags=apsw.SQLITE_OPEN_READONLY)
    found: Any = connection.execute(READ).fetchall()
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    return [n for (n,) in found]
