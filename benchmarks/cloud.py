"""DynamoDB and S3 for all subjects: a server with the tables that each of them documents."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import boto3

from benchmarks import cloud_server
from benchmarks.table_names import DJANGO_TABLE, FLOOR_TABLE, LEASE_TABLE, LOCK_TABLE, LOG_TABLE
from tests.dynamodb_server import create_log, create_table

AWS_DELAY_MS = 4
"""The time of a call to DynamoDB within one region of AWS."""


@contextmanager
def running(delay_ms: float = 0) -> Iterator[str]:
    """The URL of a server in a process of its own that answers so much late."""
    with cloud_server.running(delay_ms) as url:
        for name in (LEASE_TABLE, FLOOR_TABLE, DJANGO_TABLE):
            create_table(url, name)
        _create_lock_table(url)
        create_log(url, LOG_TABLE)
        yield url


@contextmanager
def far_away() -> Iterator[None]:
    """Have every process that begins in the block call services as far away as AWS's."""
    with running(AWS_DELAY_MS) as url, mock.patch.dict(os.environ, AWS_ENDPOINT_URL=url):
        yield


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
