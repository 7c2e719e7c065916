"""A queue's batch of ten messages, against ten requests of one row."""

import json
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

from benchmarks import data, service
from benchmarks.bare import Bare
from benchmarks.inside_aws import metered
from benchmarks.sampling import Tables, interleaved, scaled
from benchmarks.workplace import Workplace

TEN = 10
BATCH = "sqlatch, SQS batch of ten"
SINGLES = "sqlatch, ten requests"
BULK = "sqlatch, 10,000 parameter sets"
BARE_BATCH = "bare apsw, ten rows in one transaction"
BARE_SINGLES = "bare apsw, ten transactions"
BULK_ROWS = 10_000
MILLISECONDS = 1e3


def tens(work: Workplace) -> Tables:
    """Milliseconds of ten rows."""
    numbers = count()
    floor = Bare(work.copy() / data.FILE)
    subject = service.open_subject(work.copy())
    actions: dict[str, Callable[[int], object]] = {
        BARE_BATCH: lambda _turn: _in_one_transaction(floor),
        BARE_SINGLES: lambda _turn: _ten_times(floor.write),
        BATCH: lambda _turn: subject.invoke(_messages(numbers)),
        SINGLES: lambda _turn: _ten_times(subject.write),
    }
    try:
        rounds = work.counts.batch_rounds
        samples = interleaved(actions, rounds=rounds, calls=1, warm_up=2)
    finally:
        subject.close()
        floor.close()
    return {"tens": scaled(samples, MILLISECONDS)}


def dynamodb_calls(work: Workplace) -> Tables:
    """Calls to DynamoDB of a batch, and of a bulk of 10,000 rows."""
    subject = service.open_subject(work.copy())
    rows = [list(data.values_of(number)) for number in range(BULK_ROWS)]
    try:
        subject.write(0)
        with metered() as meter:
            subject.invoke(_messages(count()))
            batch = float(meter.calls)
            subject.send(query=data.WRITE, parameter_sets=rows)
            bulk = meter.calls - batch
    finally:
        subject.close()
    return {"dynamodb_many": {BATCH: [batch], BULK: [bulk]}}


def _ten_times(write: Callable[[int], object]) -> None:
    for number in range(TEN):
        write(number)


def _in_one_transaction(floor: Bare) -> None:
    floor.connection.execute("BEGIN IMMEDIATE")
    _ten_times(floor.write)
    floor.connection.execute("COMMIT")


def _messages(numbers: Iterator[int]) -> dict[str, Any]:
    """A batch as Lambda passes it, of messages that never came before."""
    return {
        "Records": [_message(number) for number, _ten in zip(numbers, range(TEN), strict=False)]
    }


def _message(number: int) -> dict[str, Any]:
    request = {"query": data.WRITE, "parameters": list(data.values_of(number))}
    return {
        "messageId": f"00000000-0000-4000-8000-{number:012}",
        "receiptHandle": "handle",
        "body": json.dumps(request),
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1763683200000"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:writes",
        "awsRegion": "us-east-1",
    }
