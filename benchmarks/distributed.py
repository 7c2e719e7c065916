"""distributed-sqlite: the statements of each transaction as an object in S3, replayed in memory.

A connection sees what others commit after a `rollback()`, so each read begins with one.
"""

import os
import sqlite3
from pathlib import Path

import boto3
from distributed_sqlite.engine import open_connection
from distributed_sqlite.manifest import ManifestManager
from distributed_sqlite.s3_backend import S3Backend
from distributed_sqlite.types import ConflictError, MaxRetriesExceeded, SegmentRecord

from benchmarks import data

REFUSALS: tuple[type[Exception], ...] = (ConflictError, MaxRetriesExceeded)
BUCKET = "distributed-sqlite"
CACHE_VARIABLE = "DISTRIBUTED_SQLITE_CACHE_DIR"


class Distributed:
    """One warm connection, on a store that begins with the table of a file."""

    def __init__(self, directory: Path) -> None:
        url = os.environ["AWS_ENDPOINT_URL"]
        self._connection = open_connection(BUCKET, directory.name, endpoint_url=url)

    def read(self, number: int) -> str:
        self._connection.rollback()
        rows = self._connection.cursor().execute(data.READ, (number,)).fetchall()
        return str(rows[0][1])

    def write(self, number: int) -> None:
        self._connection.cursor().execute(data.WRITE, data.values_of(number))
        self._connection.commit()

    def close(self) -> None:
        self._connection.close()


def open_subject(directory: Path) -> Distributed:
    return Distributed(directory)


def store(directory: Path) -> None:
    """Store the file as a checkpoint: an empty store needs a newer SQLite than Python may have."""
    url = os.environ["AWS_ENDPOINT_URL"]
    boto3.client("s3", endpoint_url=url).create_bucket(Bucket=BUCKET)
    with sqlite3.connect(directory / data.FILE) as connection:
        content = connection.serialize()
    connection.close()
    backend = S3Backend(bucket=BUCKET, prefix=directory.name, endpoint_url=url)
    checkpoint = SegmentRecord.build(
        segment_id="checkpoint",
        base_version=0,
        statements=[],
        modified_tables=[],
        kind="checkpoint",
        snapshot_hex=content.hex(),
    )
    backend.put_segment(checkpoint)
    ManifestManager(backend).try_commit(0, checkpoint)
