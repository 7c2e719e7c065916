"""The environment of a process that calls AWS, with keys and a region; and a bucket."""

from collections.abc import Iterator
from uuid import uuid4

import boto3
import pytest

from sqlatch.kernel.aws.s3 import Bucket
from tests.dynamodb_server import CREDENTIALS


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def bucket(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A bucket of the test's own, in moto."""
    name = f"bucket-{uuid4()}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
    sdk = boto3.client("s3")
    sdk.create_bucket(Bucket=name)
    sdk.close()
    bucket = Bucket(name)
    yield bucket
    bucket.close()
