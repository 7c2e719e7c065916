"""Books by the thousand: a message of a queue for each field, applied side by side.

    python -m examples.graphql.loader QUEUE_URL SQLATCH_URL < books.jsonl

The queue is FIFO, with the database as message group, so that the databases are filled in parallel
and the writers of one do not meet.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any
from uuid import uuid4

from examples.graphql.nodes import (
    CREATE_NODES,
    FIELDS,
    INSERT,
    INSERT_NODE,
    NODES,
    create_statements,
)
from sqlatch.kernel.values import Value

ROWS_A_MESSAGE = 2_000
"""A message has at most 256 KB."""

Message = tuple[str, dict[str, Any]]
"""A database, which is the message group too, and the request."""


def messages(books: Iterable[Mapping[str, Value]], new_id: Callable[[], int]) -> Iterator[Message]:
    """Yield the messages that make these books: the tables first, the ids behind their fields."""
    for field in FIELDS:
        for query in create_statements(field):
            yield field, {"query": query}
    yield NODES, {"query": CREATE_NODES}
    rest = iter(books)
    while chunk := list(islice(rest, ROWS_A_MESSAGE)):
        ids = [new_id() for _book in chunk]
        for field in FIELDS:
            sets = [[node_id, book.get(field)] for node_id, book in zip(ids, chunk, strict=True)]
            yield field, {"query": INSERT, "parameter_sets": sets}
        yield NODES, {"query": INSERT_NODE, "parameter_sets": [[node_id] for node_id in ids]}


def send(queue: Any, queue_url: str, found: Iterable[Message]) -> int:
    """Send messages with boto3's client of SQS; return how many."""
    number = 0
    for database, request in found:
        number += 1
        queue.send_message(
            QueueUrl=queue_url,
            MessageGroupId=database,
            MessageDeduplicationId=str(uuid4()),
            MessageBody=json.dumps({"database": database, **request}),
        )
    return number


def main(arguments: Sequence[str]) -> None:
    """Send the books of standard input, one JSON object a line."""
    import boto3

    from sqlatch import uid
    from sqlatch.client import connect

    queue_url, service = arguments
    with connect(f"{service}/{NODES}") as client:
        ids = uid.in_database(client)
        books = (json.loads(line) for line in sys.stdin)
        number = send(boto3.client("sqs"), queue_url, messages(books, ids.next))
    sys.stdout.write(f"{number} messages\n")


if __name__ == "__main__":
    main(sys.argv[1:])
