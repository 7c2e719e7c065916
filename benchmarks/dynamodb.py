"""DynamoDB for all subjects: a server with the table that each of them documents."""

from collections.abc import Iterator
from contextlib import contextmanager

import boto3

from benchmarks import dynamodb_server
from benchmarks.table_names import DJANGO_TABLE, FLOOR_TABLE, LEASE_TABLE, LOCK_TABLE
from tests.dynamodb_server import create_table


@contextmanager
def running(delay_ms: float = 0) -> Iterator[str]:
    """The URL of a server in a process of its own that answers so much late."""
    with dynamodb_server.running(delay_ms) as url:
        for name in (LEASE_TABLE, FLOOR_TABLE, DJANGO_TABLE):
            create_table(url, name)
        _create_lock_table(url)
        yield url


def _create_lock_table(url: str) -> None:
    """As python-dynamodb-lock makes it, but without its sleeps of 2 s."""
    client = boto3.client("dynamodb", endpoint_url=url)
    client.create_table(
        TableName=LOCK_TABLE,
        KeySchema=[
            {"AttributeName": "lock_key", "KeyType": "HASH"},
            {"AttributeName": "sort_key", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "lock_key", "AttributeType": "S"},
            {"AttributeName": "sort_key", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    client.close()
