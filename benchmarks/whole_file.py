"""A database as one object in S3, written under a lock in DynamoDB: the way of AWSServerlessDB.

It is written here anew, and kinder: 1 call for a read and 4 for a write, where AWSServerlessDB
makes 2 and 5, and an instance fetches the object only if it is not the one that it has.
"""

import os
from pathlib import Path

import apsw
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from benchmarks import data

REFUSALS: tuple[type[Exception], ...] = (ClientError,)
TABLE = "locks-of-files"
BUCKET = "whole-files"
NOT_MODIFIED = "304"
PATIENT = Config(read_timeout=300, retries={"max_attempts": 0})


class WholeFile:
    """One warm instance, with a copy of the object as it knows it."""

    def __init__(self, directory: Path) -> None:
        url = os.environ["AWS_ENDPOINT_URL"]
        self._s3 = boto3.client("s3", endpoint_url=url, config=PATIENT)
        self._dynamodb = boto3.client("dynamodb", endpoint_url=url)
        self._name = directory.name
        self._copy = directory / "copy.db"
        self._tag = ""

    def read(self, number: int) -> str:
        self._fetch()
        return str(self._run(data.READ, (number,))[0][1])

    def write(self, number: int) -> None:
        key = {"pk": {"S": self._name}}
        self._dynamodb.put_item(
            TableName=TABLE, Item=key, ConditionExpression="attribute_not_exists(pk)"
        )
        try:
            self._fetch()
            self._run(data.WRITE, data.values_of(number))
            with self._copy.open("rb") as file:
                stored = self._s3.put_object(Bucket=BUCKET, Key=self._name, Body=file)
            self._tag = stored["ETag"]
        finally:
            self._dynamodb.delete_item(TableName=TABLE, Key=key)

    def close(self) -> None:
        self._s3.close()
        self._dynamodb.close()

    def _fetch(self) -> None:
        condition = {"IfNoneMatch": self._tag} if self._tag else {}
        try:
            answer = self._s3.get_object(Bucket=BUCKET, Key=self._name, **condition)
        except ClientError as error:
            if error.response["Error"]["Code"] == NOT_MODIFIED:
                return
            raise
        with self._copy.open("wb") as file:
            for chunk in answer["Body"].iter_chunks(1 << 20):
                file.write(chunk)
        self._tag = answer["ETag"]

    def _run(self, sql: str, values: tuple[object, ...]) -> list[tuple[object, ...]]:
        connection = apsw.Connection(str(self._copy))
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()


def open_subject(directory: Path) -> WholeFile:
    return WholeFile(directory)


def store(directory: Path) -> None:
    """Make the object of a file."""
    from tests.dynamodb_server import create_table

    url = os.environ["AWS_ENDPOINT_URL"]
    s3 = boto3.client("s3", endpoint_url=url, config=PATIENT)
    s3.create_bucket(Bucket=BUCKET)
    with (directory / data.FILE).open("rb") as file:
        s3.put_object(Bucket=BUCKET, Key=directory.name, Body=file)
    s3.close()
    dynamodb = boto3.client("dynamodb", endpoint_url=url)
    if TABLE not in dynamodb.list_tables()["TableNames"]:
        create_table(url, TABLE)
    dynamodb.close()
