"""A bucket of whole results on moto, for the service that this process composes next."""

from contextlib import closing
from typing import Any
from uuid import uuid4

import boto3
import pytest

from tests.dynamodb_server import CREDENTIALS

PREFIX = "whole/results"


def bucket_at(url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a new bucket, as its owner sees it; the environment has the service write there."""
    name = f"results-{uuid4()}"
    variables = {"AWS_ENDPOINT_URL_S3": url, "SQLATCH_RESULTS": f"s3://{name}/{PREFIX}"}
    for variable, value in (CREDENTIALS | variables).items():
        monkeypatch.setenv(variable, value)
    with closing(boto3.client("s3", endpoint_url=url)) as client:
        client.create_bucket(Bucket=name)
    return boto3.resource("s3", endpoint_url=url).Bucket(name)
