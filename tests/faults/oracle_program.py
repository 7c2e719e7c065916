"""Generated programs through the handler and through plain SQLite, in a process of their own.

python -m tests.faults.oracle_program FIRST COUNT [PLANT]

Of each program two lines of JSON: its seed, and then what it counted, or how the two differed.
"""

import base64
import json
import os
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import apsw
import pytest

from handler import local
from handler.service import service
from sqlatch.kernel.errors import SqlatchError
from tests.faults.oracle import Oracle, Refused, content, typed
from tests.faults.oracle_plants import PLANTED
from tests.faults.oracle_sql import EXPLAIN, FORBIDDEN, LONG, Generator, Query

REQUESTS = 40

EMPTY_OR_TWO = {"", "-- nothing", "SELECT 1; SELECT 2"}
"""What a query must not be, though SQLite takes it: no statement, or two."""


class Differs(AssertionError):
    """The handler and SQLite did not agree."""


def run(seed: int, directory: Path) -> Counter[str]:
    """Run the program of a seed; Differs with the requests up to the difference."""
    path = directory / f"oracle-{seed}.db"
    oracle = Oracle(path)
    try:
        return _run(seed, oracle, directory)
    finally:
        oracle.connection.close()
        service().databases._open.pop(f"p{seed}").close()
        for made in (*directory.glob(f"p{seed}.db*"), *directory.glob(f"{path.name}*")):
            made.unlink()


def _run(seed: int, oracle: Oracle, directory: Path) -> Counter[str]:
    generator = Generator(Random(seed))
    counts: Counter[str] = Counter()
    said: list[str] = []
    by_chance = False
    local.invoke({"query": "PRAGMA user_version = 0", "database": f"p{seed}"})
    for _request in range(REQUESTS):
        generator.tables = oracle.tables()
        request = generator.request()
        said.append(json.dumps(event_of(request, seed), default=repr))
        got = through_the_handler(request, seed)
        counts[got.code if isinstance(got, Refused) else "answered"] += 1
        counts["statements"] += len(request)
        counts["explained"] += sum(query.sql.startswith(EXPLAIN) for query in request)
        counts["long_texts"] += sum(len(query.sql) > LONG[0] for query in request)
        if got == Refused("FORBIDDEN_STATEMENT"):
            if not is_listed(request):
                raise Differs(f"refused, and not on the list: {said[-1]}")
            continue
        if any(query.sql in EMPTY_OR_TWO for query in request):
            if not isinstance(got, Refused):
                raise Differs(f"answered, and is not one statement: {said[-1]}")
            continue
        expected = expected_of(request, oracle)
        by_chance = by_chance or oracle.takes_rowids_by_chance()
        if got != expected and by_chance:
            counts["ended_by_chance"] += 1
            return counts
        if got != expected:
            raise Differs("\n".join([*said, f"handler: {got}", f"SQLite:  {expected}"]))
    (file,) = [*directory.glob(f"p{seed}.db"), *directory.glob(f"sqlatch-*/*/*/p{seed}/db")]
    if through_the_file(file) != content(oracle.connection):
        if by_chance:
            counts["ended_by_chance"] += 1
            return counts
        raise Differs("\n".join([*said, "the files differ in the end"]))
    return counts


def expected_of(request: list[Query], oracle: Oracle) -> Any:
    results = oracle.answer(request)
    if isinstance(results, Refused):
        return results
    return [
        {**result, "rows": comparable(query, result["rows"])}
        for query, result in zip(request, results, strict=True)
    ]


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
            "rows": comparable(query, result["rows"]),
            "rows_affected": result["rows_affected"],
            "last_insert_rowid": result["last_insert_rowid"],
        }
        for query, result in zip(request, results, strict=True)
    ]


def comparable(query: Query, rows: list[Any]) -> Any:
    """Rows by their values and types; of a plan the tree, for its ids are addresses of bytecode."""
    if not query.sql.startswith(EXPLAIN):
        return typed(rows)
    places = {id_: place for place, (id_, *_rest) in enumerate(rows)}
    return [(places.get(parent), detail) for _id, parent, _cost, detail in rows]


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


def main(first: int, count: int, plant: str = "") -> None:
    with tempfile.TemporaryDirectory(dir=os.environ.get("TEST_MEMORY")) as directory:
        if os.environ.get("TEST_ENGINE") == "log":
            os.environ |= {"SQLATCH_LOG": f"directory:{directory}", "SQLATCH_COPIES": directory}
        else:
            os.environ["SQLATCH_DATABASES"] = directory
        patch = pytest.MonkeyPatch()
        if plant in PLANTED:
            PLANTED[plant](patch)
        for seed in range(first, first + count):
            _say({"seed": seed})
            try:
                _say({"counts": run(seed, Path(directory))})
            except Differs as difference:
                _say({"differs": str(difference)})
            except Exception:  # noqa: BLE001 (whatever it is, it is told with its seed)
                _say({"differs": traceback.format_exc()})
        service().close()


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
