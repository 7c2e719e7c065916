"""The AWS SDK is loaded to call AWS only, an HTTP library at the first call."""

import subprocess
import sys

import pytest

from tests.writers import ROOT

SDK = {"boto3", "botocore"}
URL = "http://127.0.0.1:9/main"
CASES = [
    ("import sqlatch", SDK | {"urllib3", "json", "sqlatch.client", "sqlatch.kernel.errors"}),
    ("import sqlatch; sqlatch.Client", SDK | {"urllib3"}),
    (f"import sqlatch; sqlatch.connect('{URL}')", SDK | {"asyncio"}),
    ("import sqlatch; sqlatch.connect('https://h/main', token='t')", SDK),
    ("import sqlatch; sqlatch.connect('https://h/main', iam=False)", SDK),
    ("import handler.query", {"urllib3", "sqlatch.client", "sqlatch.transports"}),
]


@pytest.mark.parametrize(("code", "unwanted"), CASES)
def test_nothing_is_loaded_before_it_is_needed(code: str, unwanted: set[str]) -> None:
    command = [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"]

    loaded = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    assert set(loaded.stdout.split()) & unwanted == set()
