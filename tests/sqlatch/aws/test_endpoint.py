"""Regions and endpoints: those that botocore comes to, mostly without loading it."""

import os
from pathlib import Path
from typing import Any

import pytest
from botocore.session import get_session

from sqlatch.kernel.aws.endpoint import endpoint_of, parsed
from sqlatch.kernel.aws.errors import NotConfigured

REGION = "AWS_DEFAULT_REGION"
FILE = """
[default]
region = ap-south-1
endpoint_url = http://file.example:1
[profile other]
region = sa-east-1
"""
NO_FILES = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
ENVIRONMENTS: list[dict[str, str]] = [
    {REGION: "eu-west-1"},
    {REGION: "eu-west-1", "AWS_REGION": "eu-west-2"},
    {REGION: "eu-west-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:8000"},
    {REGION: "eu-west-1", "AWS_ENDPOINT_URL": "http://a.example", "AWS_ENDPOINT_URL_S3": ""},
    {REGION: "eu-west-1", "AWS_ENDPOINT_URL": "https://a.example", "AWS_ENDPOINT_URL_DYNAMODB":
     "https://d.example:8443", "AWS_ENDPOINT_URL_S3": "http://[::1]:9"},
    {REGION: "eu-west-1", "AWS_ENDPOINT_URL": "http://a.example",
     "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
    {REGION: "eu-west-1", "AWS_USE_FIPS_ENDPOINT": "true"},
    {REGION: "us-west-2", "AWS_USE_DUALSTACK_ENDPOINT": "true"},
    {REGION: "eu-west-1", "AWS_CONFIG_FILE": "no name of a file is so long" * 20},
    {"AWS_CONFIG_FILE": "FILE"},
    {"AWS_CONFIG_FILE": "FILE", "AWS_PROFILE": "other"},
    {"AWS_CONFIG_FILE": "FILE", REGION: "eu-west-1"},
    {"AWS_CONFIG_FILE": "FILE", "AWS_ENDPOINT_URL": "http://a.example"},
    {"AWS_CONFIG_FILE": "FILE", REGION: "eu-west-1", "AWS_ENDPOINT_URL": "http://a.example"},
]  # fmt: skip


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("service", ["dynamodb", "s3"])
def test_an_environment_means_what_it_means_to_botocore(
    service: Any, environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text(FILE)
    for name, value in environment.items():
        monkeypatch.setenv(name, str(tmp_path / "config") if value == "FILE" else value)

    meta = get_session().create_client(service).meta

    expected = parsed(str(meta.endpoint_url), str(meta.region_name))
    assert endpoint_of(service, os.environ) == expected


def test_each_region_of_aws_has_its_host() -> None:
    session = get_session()
    found, expected = {}, {}
    for partition in session.get_available_partitions():
        for region in session.get_available_regions("dynamodb", partition):
            url = session.create_client("dynamodb", region_name=region).meta.endpoint_url
            expected[region] = parsed(str(url), region)
            found[region] = endpoint_of("dynamodb", {"AWS_REGION": region, **NO_FILES})

    assert found == expected
    assert len(found) > 30
    assert all(endpoint.is_of_aws for endpoint in found.values())


def test_without_a_region_nothing_is_guessed() -> None:
    with pytest.raises(NotConfigured, match="set AWS_REGION"):
        endpoint_of("dynamodb", os.environ)


@pytest.mark.parametrize(
    "url", ["", "dynamodb.example", "ftp://h", "http://", "http://h:x", "http://h/path", "http://["]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(NotConfigured, match="not the address of an AWS service"):
        parsed(url, "eu-west-1")


@pytest.mark.parametrize(
    ("url", "authority", "whose"),
    [
        ("https://h.example", "h.example", "another"),
        ("https://h.example:443/", "h.example", "another"),
        ("https://h.example:8443", "h.example:8443", "another"),
        ("http://h.example:80", "h.example", "another"),
        ("http://127.0.0.1:443", "127.0.0.1:443", "another"),
        ("http://[::1]:9", "[::1]:9", "another"),
        ("https://s3.eu-west-1.amazonaws.com", "s3.eu-west-1.amazonaws.com", "of AWS"),
        ("https://s3.cn-north-1.amazonaws.com.cn", "s3.cn-north-1.amazonaws.com.cn", "of AWS"),
        ("https://amazonaws.com.example", "amazonaws.com.example", "another"),
        ("https://myamazonaws.com", "myamazonaws.com", "another"),
    ],
)
def test_the_host_is_named_as_it_is_called(url: str, authority: str, whose: str) -> None:
    endpoint = parsed(url, "r")

    assert (endpoint.authority, endpoint.is_of_aws) == (authority, whose == "of AWS")
