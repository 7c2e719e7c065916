"""A large reply: 100,000 rows of five columns, to the bytes that go over the wire."""

import json
from collections.abc import Callable
from typing import Any

from pydantic_core import to_json

from benchmarks import data, files, service
from benchmarks.bare import Bare
from benchmarks.sampling import Tables, interleaved, scaled
from benchmarks.service import Sqlatch
from benchmarks.workplace import Workplace, WrongAnswer

ALL = "SELECT id, name, size, weight, note FROM things"
NAMES = ("id", "name", "size", "weight", "note")
ROOM = {"SQLATCH_RESULT_BYTES_MAX": "60000000"}
"""Objects of 100,000 rows are more than a reply may be on Lambda; the time is what counts here."""

FLOOR = "bare apsw + to_json"
DIRECT = "sqlatch, direct + to_json"
HTTP = "sqlatch, HTTP body"
MILLISECONDS = 1e3


def rows(work: Workplace) -> Tables:
    """Milliseconds of the whole table as arrays, and as objects."""
    template = work.place()
    files.make(template, rows=work.counts.reply_rows - 1)
    floor = Bare(files.copy(template, work.place()) / data.FILE)
    subject = service.open_subject(files.copy(template, work.place()), settings=ROOM)
    for one in (floor, subject):
        one.write(0)
    tables: Tables = {}
    try:
        for rows_as, bare_rows in (("arrays", _arrays), ("objects", _objects)):
            actions = _actions(floor, subject, rows_as, bare_rows)
            _check(actions, work.counts.reply_rows)
            rounds = work.counts.reply_rounds
            samples = interleaved(actions, rounds=rounds, calls=1, warm_up=1)
            tables[f"reply_{rows_as}"] = scaled(samples, MILLISECONDS)
    finally:
        subject.close()
        floor.close()
    return tables


def http_event(**fields: Any) -> dict[str, Any]:
    """A request as an HTTP API passes it, payload 2.0."""
    return {
        "version": "2.0",
        "routeKey": "POST /query",
        "rawPath": "/query",
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "accept-encoding": "identity"},
        "requestContext": {
            "http": {
                "method": "POST",
                "path": "/query",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
            },
            "requestId": "request",
            "stage": "$default",
        },
        "body": json.dumps(fields),
        "isBase64Encoded": False,
    }


def _actions(
    floor: Bare, subject: Sqlatch, rows_as: str, bare_rows: Callable[[Bare], list[Any]]
) -> dict[str, Callable[[int], Any]]:
    actions: dict[str, Callable[[int], Any]] = {
        FLOOR: lambda _turn: to_json(bare_rows(floor)),
        DIRECT: lambda _turn: to_json(subject.send(query=ALL, rows_as=rows_as)),
    }
    if rows_as == "arrays":
        # As objects it is more than an HTTP body may be.
        event = http_event(query=ALL)
        actions[HTTP] = lambda _turn: subject.invoke(event)["body"]
    return actions


def _arrays(floor: Bare) -> list[Any]:
    return floor.connection.execute(ALL).fetchall()


def _objects(floor: Bare) -> list[Any]:
    return [dict(zip(NAMES, row, strict=True)) for row in floor.connection.execute(ALL)]


def _check(actions: dict[str, Callable[[int], Any]], count: int) -> None:
    """Nobody is fast by leaving rows out."""
    for name, action in actions.items():
        answer = json.loads(action(0))
        found = len(answer if isinstance(answer, list) else answer["rows"])
        if found != count:
            raise WrongAnswer(f"{name} has {found} rows of {count}")
