"""The commands of the pages for operators: each block runs, and the AWS CLI takes what it is given.

What it would call is not there: its answers are empty, but for those that a block waits for.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cloudformation import ROOT
from tests.pages import blocks
from tests.tools.test_pages_on_aws import as_version_1

PAGES = ["docs/runbook.md", "docs/deploying.md", "examples/django-polls/README.md"]
AWS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "ANSWER": "Complete-as-long-as-the-id-of-a-mapping",
}

# The AWS CLI notes what it was given, and answers as `insights` waits for. Nothing is deployed.
# A note is one write: the commands of a pipe take theirs at the same time.
NOTING = """
aws() { printf '%s\\0' "$@" $'\\1' >> aws; echo "$ANSWER"; }
make() { :; }
sam() { :; }
sqlatch() { :; }
python() { :; }
pip() { :; }
"""

# One process for all commands: the AWS CLI takes a second to start.
CLI = """
import sys
from awscli.clidriver import create_clidriver

class Response:
    status_code, headers = 200, {}

answer = {"RecoveryPoints": [], "Table": {"TableStatus": "ACTIVE"}}
driver = create_clidriver()
driver.session.register("before-call", lambda **_: (Response, answer))
for command in {command for command in sys.stdin.read().split("\\1\\0") if command}:
    arguments = command.split("\\0")[:-1]
    if code := driver.main(arguments):
        sys.exit(f"{code}: {arguments}")
"""


@pytest.mark.parametrize("page", PAGES)
def test_each_block_runs_and_each_command_is_one_of_the_aws_cli(page: str, tmp_path: Path) -> None:
    commands = [as_version_1(one) for one in blocks((ROOT / page).read_text(), "sh")]
    # The runbook begins with functions for all of its blocks.
    common = commands[0] if page == "docs/runbook.md" else ""
    for block in commands:
        run(tmp_path, ["bash", "-euc", NOTING + common + block])

    run(tmp_path, [sys.executable, "-c", CLI], (tmp_path / "aws").read_text())


def run(directory: Path, command: list[str], given: str = "") -> None:
    environment = {"PATH": os.environ["PATH"], **AWS}
    done = subprocess.run(
        command, cwd=directory, env=environment, input=given, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
