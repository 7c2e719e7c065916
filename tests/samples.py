"""The sample events: which function each is for, and what it answers after those before it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handler.query import Door, door_of

SAMPLES = sorted((Path(__file__).parents[1] / "events" / "samples").glob("*.json"))


@dataclass(frozen=True, slots=True)
class Expected:
    """The expected answer to a sample, in words and as a condition."""

    words: str
    holds: Callable[[Any], bool]

    def is_met_by(self, answer: Any) -> bool:
        """Return whether the answer is the expected one. One of another shape is not."""
        try:
            return bool(self.holds(answer))
        except (IndexError, KeyError, TypeError, ValueError):
            return False


BAD_EVENT = {
    "errorType": "BadEvent",
    "errorMessage": "paramters: is not a field of a request; did you mean parameters?"
    ' {"code": "BAD_EVENT", "retryable": false, "field": "paramters"}',
}

EXPECTED = {
    "01-create": Expected(
        "two results, and a write",
        lambda a: len(a["results"]) == 2 and a["meta"]["wrote"],
    ),
    "02-insert": Expected("one row written", lambda a: a["rows_affected"] == 1),
    "03-bulk-insert": Expected("three rows written", lambda a: a["rows_affected"] == 3),
    "04-select": Expected(
        "the airlines AA, B6, DL, UA",
        lambda a: [row[0] for row in a["rows"]] == ["AA", "B6", "DL", "UA"],
    ),
    "05-named-parameters": Expected(
        "the name of UA, as an object",
        lambda a: a["rows"] == [{"name": "United Air Lines Inc."}],
    ),
    "06-batch": Expected(
        "the flight that the batch wrote",
        lambda a: a["results"][2]["rows"] == [[1, "UA", "EWR", 1416]],
    ),
    "07-read-only": Expected(
        "four airlines, and no write",
        lambda a: a["rows"] == [[4]] and not a["meta"]["wrote"],
    ),
    "08-idempotent-write": Expected(
        "the flight of its first run",
        lambda a: a["rows"] == [[2, "DL"]],
    ),
    "09-health": Expected(
        "status ok, and no lease held",
        lambda a: a["status"] == "ok" and a["leases"] == [],
    ),
    "10-http-2.0": Expected(
        "the columns carrier and name",
        lambda a: json.loads(a["body"])["columns"] == ["carrier", "name"],
    ),
    "11-http-1.0": Expected(
        "four airlines",
        lambda a: json.loads(a["body"])["rows"] == [[4]],
    ),
    "12-sqs": Expected(
        "one message of three failed",
        lambda a: len(a["batchItemFailures"]) == 1,
    ),
    "13-sqs-fifo": Expected("no message failed", lambda a: a == {"batchItemFailures": []}),
    "14-schedule": Expected("no failure", lambda a: a["failures"] == []),
    "15-bad-event": Expected("the error BadEvent", lambda a: a == BAD_EVENT),
}  # fmt: skip


def function_of(event: Any) -> str:
    """The function of the template that gets this event when it is deployed."""
    if door_of(event) is Door.SCHEDULE:
        return "ReaperFunction"
    path = event.get("rawPath") or event.get("path")
    return "ReadFunction" if path == "/read" else "QueryFunction"
