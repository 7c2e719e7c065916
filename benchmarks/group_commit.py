"""Messages a second of a queue into one database in DynamoDB and S3, by the size of a batch.

A batch is one record: one put, and one more if the record is too large for an item.
"""

import json
from collections.abc import Iterator
from itertools import count
from time import perf_counter
from typing import Any
from uuid import UUID

from benchmarks import cloud, service
from benchmarks.inside_aws import metered
from benchmarks.sampling import Tables
from benchmarks.workplace import Workplace

TABLE = "CREATE TABLE events (id INTEGER PRIMARY KEY, device TEXT, at INTEGER, value REAL)"
WRITE = "INSERT INTO events (device, at, value) VALUES (?, ?, ?)"


def by_batch(work: Workplace) -> Tables:
    """Messages a second, and calls to AWS of a batch."""
    rates: dict[str, list[float]] = {}
    calls: dict[str, list[float]] = {}
    with cloud.far_away():
        directory = work.copy()
        subject = service.open_table(directory)
        subject.send(query=TABLE)
        numbers = count()
        for messages in work.counts.batches:
            name = label(messages)
            rates[name] = []
            _send(subject, batch(messages, numbers, directory.name))
            for _round in range(work.counts.batches_of_each):
                event = batch(messages, numbers, directory.name)
                with metered() as meter:
                    started = perf_counter()
                    _send(subject, event)
                    rates[name].append(messages / (perf_counter() - started))
                calls.setdefault(name, []).append(float(meter.calls))
        subject.close()
    return {"batch_rate": rates, "batch_calls": calls}


def label(messages: int) -> str:
    """A subject: batches of that size."""
    return f"batches of {messages:,}"


def _send(subject: service.Sqlatch, event: dict[str, Any]) -> None:
    answer = subject.invoke(event)
    if answer != {"batchItemFailures": []}:
        raise RuntimeError(f"messages of a batch failed: {answer!r:.200}")


def batch(
    messages: int, numbers: Iterator[int], database: str = service.DATABASE
) -> dict[str, Any]:
    """A batch as Lambda passes it, of messages that never came before."""
    return {"Records": [_message(next(numbers), database) for _message_ in range(messages)]}


def _message(number: int, database: str) -> dict[str, Any]:
    values = [f"device-{number % 997}", 1_763_683_200 + number, number / 7]
    return {
        "messageId": str(UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128)),
        "receiptHandle": "handle",
        "body": json.dumps({"query": WRITE, "parameters": values, "database": database}),
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1763683200000"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:writes",
        "awsRegion": "us-east-1",
    }
