"""The AWS SDK is loaded to call AWS only, an HTTP library at the first call."""

import subprocess
import sys
from typing import assert_type

import pytest

import sqlatch
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


def test_a_prompt_completes_what_is_not_loaded_yet() -> None:
    code = (
        "import rlcompleter, sqlatch\n"
        "complete = rlcompleter.Completer({'sqlatch': sqlatch}).complete\n"
        "print(*(complete('sqlatch.', number) for number in range(40)))"
    )
    command = [sys.executable, "-c", code]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    offered = {name.strip("(").removeprefix("sqlatch.") for name in done.stdout.split()}
    assert set(sqlatch.__all__) - {"__version__"} <= offered


def test_an_editor_knows_what_is_loaded_late() -> None:
    """mypy reads this line, as `make check` runs it: without the types the names would be Any."""
    with sqlatch.connect(URL) as client:
        assert_type(client, sqlatch.Client)
