"""python-dynamodb-lock around the standard library's sqlite3, as its documentation uses it."""

import os
import sqlite3
from datetime import timedelta
from pathlib import Path

import boto3
from python_dynamodb_lock.python_dynamodb_lock import DynamoDBLockClient, DynamoDBLockError

from benchmarks import data
from benchmarks.table_names import LOCK_TABLE

REFUSALS: tuple[type[Exception], ...] = (DynamoDBLockError, sqlite3.OperationalError)
RETRY_EVERY = timedelta(milliseconds=50)
"""Its own default is the heartbeat's period, 5 s, with which eight writers wait for minutes."""

PATIENCE = timedelta(seconds=20)


class Locked:
    """A warm connection, and a lock for each write; reads take none."""

    def __init__(self, path: Path) -> None:
        resource = boto3.resource("dynamodb", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
        self._locks = DynamoDBLockClient(resource, table_name=LOCK_TABLE)
        self._key = str(path)
        self._connection = sqlite3.connect(
            path, timeout=PATIENCE.total_seconds(), isolation_level=None
        )

    def read(self, number: int) -> str:
        rows = self._connection.execute(data.READ, (number,)).fetchall()
        return str(rows[0][1])

    def write(self, number: int) -> None:
        lock = self._locks.acquire_lock(self._key, retry_period=RETRY_EVERY, retry_timeout=PATIENCE)
        try:
            self._connection.execute(data.WRITE, data.values_of(number))
        finally:
            lock.release(best_effort=False)

    def close(self) -> None:
        """Its client is left to the end of the process: closing waits for a heartbeat of 5 s."""
        self._connection.close()


def open_subject(directory: Path) -> Locked:
    return Locked(directory / data.FILE)
