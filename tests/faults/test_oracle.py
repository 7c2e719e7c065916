"""Generated programs through the handler and through plain SQLite: the same rows, counts, errors.

SQLATCH_FAULTS_SEED=17 runs one program. SQLATCH_FAULTS_FULL=1 runs 3,000 of them.
"""

import base64
import json
import os
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import apsw
import pytest

from handler import local
from handler.service import service
from sqlatch.errors import SqlatchError
from sqlexec import execute, session
from sqlexec.execute import _Changes
from sqlexec.session import Session
from sqlexec.store import Store
from tests.faults.oracle import Oracle, Refused, content, typed
from tests.faults.oracle_sql import FORBIDDEN, Generator, Query
from tests.faults.report import record, record_planted

pytestmark = [
    pytest.mark.timeout(3_600),
    pytest.mark.parametrize("environment", ["sqlite"], indirect=True),
]

PROGRAMS = 3_000 if "SQLATCH_FAULTS_FULL" in os.environ else 100
REQUESTS = 40
PLANTED_SEEN_WITHIN = 60

EMPTY_OR_TWO = {"", "-- nothing", "SELECT 1; SELECT 2"}
"""What a query must not be, though SQLite takes it: no statement, or two."""


class Differs(AssertionError):
    """The handler and SQLite did not agree."""


@pytest.fixture
def run(
    environment: dict[str, str], directory: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> Callable[[int], Counter[str]]:
    """Run the program of a seed; Differs with the requests up to the difference."""

    def run(seed: int) -> Counter[str]:
        caplog.clear()
        oracle = Oracle(tmp_path / f"oracle-{seed}.db")
        try:
            return _run(seed, oracle, directory)
        finally:
            oracle.connection.close()
            service().databases._open.pop(f"p{seed}").close()

    return run


def _run(seed: int, oracle: Oracle, directory: Path) -> Counter[str]:
    generator = Generator(Random(seed))
    counts: Counter[str] = Counter()
    said: list[str] = []
    local.invoke({"query": "PRAGMA user_version = 0", "database": f"p{seed}"})
    for _request in range(REQUESTS):
        generator.tables = oracle.tables()
        request = generator.request()
        said.append(json.dumps(event_of(request, seed), default=repr))
        got = through_the_handler(request, seed)
        counts[got.code if isinstance(got, Refused) else "answered"] += 1
        counts["statements"] += len(request)
        if got == Refused("FORBIDDEN_STATEMENT"):
            if not is_listed(request):
                raise Differs(f"refused, and not on the list: {said[-1]}")
            continue
        if any(query.sql in EMPTY_OR_TWO for query in request):
            if not isinstance(got, Refused):
                raise Differs(f"answered, and is not one statement: {said[-1]}")
            continue
        expected = expected_of(request, oracle)
        if got != expected and oracle.takes_rowids_by_chance():
            counts["ended_by_chance"] += 1
            return counts
        if got != expected:
            raise Differs("\n".join([*said, f"handler: {got}", f"SQLite:  {expected}"]))
    if through_the_file(directory / f"p{seed}.db") != content(oracle.connection):
        raise Differs("\n".join([*said, "the files differ in the end"]))
    return counts


def expected_of(request: list[Query], oracle: Oracle) -> Any:
    results = oracle.answer(request)
    if isinstance(results, Refused):
        return results
    return [{**result, "rows": typed(result["rows"])} for result in results]


def through_the_handler(request: list[Query], seed: int) -> Any:
    try:
        answer = json.loads(json.dumps(local.invoke(event_of(request, seed))))
    except SqlatchError as error:
        constraint = error.code == "CONSTRAINT"
        return Refused(error.code, str(error.facts["sqlite_code"]) if constraint else None)
    results = answer["results"] if len(request) > 1 else [answer]
    return [
        {
            "columns": result["columns"],
            "rows": typed(result["rows"]),
            "rows_affected": result["rows_affected"],
            "last_insert_rowid": result["last_insert_rowid"],
        }
        for result in results
    ]


def event_of(request: list[Query], seed: int) -> dict[str, Any]:
    statements = [
        {name: value for name, value in _fields(query).items() if value is not None}
        for query in request
    ]
    event = statements[0] if len(statements) == 1 else {"statements": statements}
    return {**event, "database": f"p{seed}"}


def _fields(query: Query) -> dict[str, Any]:
    sets = query.parameter_sets
    return {
        "query": query.sql or ";",
        "parameters": query.parameters and _values(query.parameters),
        "parameter_sets": None if sets is None else [_values(each) for each in sets],
    }


def _values(values: Any) -> Any:
    if isinstance(values, dict):
        return dict(zip(values, _values(list(values.values())), strict=True))
    return [_value(value) for value in values]


def _value(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    return {"real": "Infinity"} if value == float("inf") else value


def is_listed(request: list[Query]) -> bool:
    several = len(request) > 1
    return any(query.sql in FORBIDDEN or (several and query.sql == "VACUUM") for query in request)


def through_the_file(path: Path) -> dict[str, Any]:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return content(connection)
    finally:
        connection.close()


def test_the_handler_answers_as_plain_sqlite_does(run: Callable[[int], Counter[str]]) -> None:
    seeds = [int(os.environ["SQLATCH_FAULTS_SEED"])] if "SQLATCH_FAULTS_SEED" in os.environ else []
    counts: Counter[str] = Counter()
    for seed in seeds or range(PROGRAMS):
        try:
            counts += run(seed)
        except Differs as difference:
            pytest.fail(f"SQLATCH_FAULTS_SEED={seed} shows it again: {difference}")

    if not seeds:
        record("oracle", programs=PROGRAMS, **dict(sorted(counts.items())))


class _AllChanges(_Changes):
    """Those of triggers too."""

    def __init__(self, connection: apsw.Connection) -> None:
        super().__init__(connection)
        self._before = connection.total_changes()

    def total(self) -> int:
        return self._connection.total_changes() - self._before


PLANTED: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "foreign keys off": lambda patch: patch.setattr(session, "SETTINGS", session.SETTINGS[1:]),
    "changes of an earlier statement": lambda patch: patch.setattr(Session, "changes", True),
    "changes of triggers counted": lambda patch: patch.setattr(execute, "_Changes", _AllChanges),
    "a failed request not rolled back": lambda patch: patch.setattr(
        Store, "transaction", _committed_anyway
    ),
}


def _committed_anyway(_store: Store, on: Any, _gate: Any) -> Any:
    @contextmanager
    def transaction() -> Any:
        on.run("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            if on.connection.in_transaction:
                on.run("COMMIT")

    return transaction()


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_difference_is_seen(
    bug: str, run: Callable[[int], Counter[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    PLANTED[bug](monkeypatch)

    with pytest.raises(Differs):
        [run(seed) for seed in range(PLANTED_SEEN_WITHIN)]
    record_planted(bug, "plain SQLite as the oracle")
