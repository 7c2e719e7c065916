"""The server for peers counts what AWS is paid by, and answers with the part that is asked for."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from benchmarks import moto_cloud, prices
from tests.cloudformation import ROOT
from tests.dynamodb_server import CREDENTIALS, create_table


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with moto_cloud.running() as url:
        yield url


@pytest.fixture
def clients(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Any]]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    dynamodb, s3 = (boto3.client(name, endpoint_url=url) for name in ("dynamodb", "s3"))
    yield dynamodb, s3
    dynamodb.close()
    s3.close()


def test_each_call_is_counted_as_what_it_is_paid_by(url: str, clients: tuple[Any, Any]) -> None:
    dynamodb, s3 = clients
    create_table(url, "t")
    s3.create_bucket(Bucket="bucket")
    before = moto_cloud.bill(url)

    dynamodb.put_item(TableName="t", Item={"pk": {"S": "k"}, "d": {"B": bytes(1500)}})
    dynamodb.get_item(TableName="t", Key={"pk": {"S": "k"}})
    s3.put_object(Bucket="bucket", Key="k", Body=bytes(range(100)))
    s3.list_objects_v2(Bucket="bucket")
    part = s3.get_object(Bucket="bucket", Key="k", Range="bytes=10-19")["Body"].read()
    s3.delete_object(Bucket="bucket", Key="k")

    counted = {name: value - before[name] for name, value in moto_cloud.bill(url).items()}
    assert part == bytes(range(10, 20))
    assert counted.pop("bytes") > 1600
    assert counted.pop("free") == 1
    assert counted == {
        "calls": 6, "write_units": 2, "read_units": 1, "s3_writes": 2, "s3_reads": 1,
    }  # fmt: skip
    assert prices.of_calls(counted) == pytest.approx(2 * 0.625e-6 + 0.125e-6 + 2 * 5e-6 + 0.4e-6)


def test_the_pages_count_with_the_same_prices() -> None:
    page = (ROOT / "docs" / "without-a-vpc.md").read_text()

    for price in (prices.WRITE_UNIT * 1e6, prices.READ_UNIT * 1e6):
        assert f"| {price:g} / M |" in page
    assert f"| {prices.LAMBDA_GB_S:.10f} / GB-s |" in page
