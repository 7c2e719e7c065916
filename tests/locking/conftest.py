"""The contract of the lease holds on moto's DynamoDB, which knows the whole language."""

import pytest


@pytest.fixture(scope="session")
def dynamodb_url(moto_url: str) -> str:
    return moto_url
