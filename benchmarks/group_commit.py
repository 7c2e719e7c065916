"""Messages a second of a queue into one database in DynamoDB and S3, by the size of a batch.

    python -m benchmarks.group_commit [DELAY_MS]

A batch is one record: one put, and one more if the record is too large for an item. A server plays
both services, and answers each call DELAY_MS (4) late. It runs beside, and needs a processor too.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any
from uuid import UUID

from examples import aws
from tests import dynamodb_server
from tests.faults import cloud_server

DELAY_MS = 4.0
SIZES = (10, 100, 1_000, 10_000)
MESSAGES = 10_000
"""Messages that are sent in batches of each size, but ROUNDS_MIN batches at least."""
ROUNDS_MIN = 3
TABLE = "CREATE TABLE events (id INTEGER PRIMARY KEY, device TEXT, at INTEGER, value REAL)"
WRITE = "INSERT INTO events (device, at, value) VALUES (?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Measured:
    """The medians of batches of one size."""

    messages: int
    wall_s: float
    processor_s: float
    calls: dict[str, int]
    megabytes: float


def main(arguments: Sequence[str]) -> None:
    """Print a line for each size."""
    delay_ms = float(arguments[0]) if arguments else DELAY_MS
    sys.stdout.write(f"{delay_ms:g} ms a call\n")
    with _service(delay_ms):
        numbers = count()
        for messages in SIZES:
            sys.stdout.write(_line(measured(messages, numbers)))
            sys.stdout.flush()


def measured(messages: int, numbers: Iterator[int]) -> Measured:
    """Send batches of a size through the handler; the first one is not counted."""
    from handler import local

    walls, processors, calls = [], [], {}
    rounds = max(ROUNDS_MIN, MESSAGES // messages)
    local.invoke(batch(messages, numbers))
    for _round in range(rounds):
        event = batch(messages, numbers)
        with aws.counted() as counted:
            wall_s, processor_s = perf_counter(), process_time()
            answer = local.invoke(event)
            walls.append(perf_counter() - wall_s)
            processors.append(process_time() - processor_s)
        assert answer == {"batchItemFailures": []}
        calls = dict(counted)
    size_mb = len(json.dumps(event)) / 1e6
    return Measured(messages, median(walls), median(processors), calls, size_mb)


def batch(messages: int, numbers: Iterator[int]) -> dict[str, Any]:
    """A batch as Lambda passes it, of messages that never came before."""
    return {"Records": [_message(next(numbers)) for _message_ in range(messages)]}


def _message(number: int) -> dict[str, Any]:
    values = [f"device-{number % 997}", 1_763_683_200 + number, number / 7]
    return {
        "messageId": str(UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128)),
        "receiptHandle": "handle",
        "body": json.dumps({"query": WRITE, "parameters": values}),
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1763683200000"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:writes",
        "awsRegion": "us-east-1",
    }


def _line(found: Measured) -> str:
    calls = ", ".join(f"{name} {number}" for name, number in sorted(found.calls.items()))
    return (
        f"batches of {found.messages:>6,}: {found.messages / found.wall_s:>6,.0f} messages/s"
        f" ({found.wall_s * 1e3:,.0f} ms a batch, {found.processor_s * 1e3:,.0f} of processor),"
        f" {found.megabytes:.2f} MB an event, calls a batch: {calls}\n"
    )


@contextmanager
def _service(delay_ms: float) -> Iterator[None]:
    """The service of this process, on a table and a bucket that answer so late."""
    with (
        cloud_server.running(cloud_server.Faults(delay_s=delay_ms / 1000)) as url,
        tempfile.TemporaryDirectory() as directory,
        Path(directory, "stderr").open("w") as log,
        redirect_stderr(log),
    ):
        os.environ |= {**dynamodb_server.CREDENTIALS, "AWS_ENDPOINT_URL": url}
        setting = dynamodb_server.create_log(url, "batches")
        os.environ |= {"SQLATCH_LOG": setting, "SQLATCH_COPIES": directory}
        from handler import local

        local.TIMEOUT_S = 120.0
        local.invoke({"query": TABLE})
        yield


if __name__ == "__main__":
    main(sys.argv[1:])
