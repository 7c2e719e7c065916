"""The pages for AWS, read in the order of a newcomer, on one stack that runs here.

The AWS CLI is its version 1, where the pages have 2, which is on no index. What only 2 knows is in
`as_version_1`, and no step but the deployment itself, which needs an account, is left out.
"""

import json
import os
from pathlib import Path

import pytest

from tests.cloudformation import ROOT
from tests.pages import Run, blocks, shell
from tests.tools import deployed as fake
from tests.tools.deployed import QUERY, Deployed

IAM = {"Authorization": "IAM", "TokenKeys": ""}
DEPLOYMENT = "make build\nsam deploy --guided\n"
COUNT = {"query": "SELECT count(*) FROM visits"}


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def as_version_1(commands: str) -> str:
    """Return commands of the AWS CLI 2 as version 1 takes them: its payload is always text."""
    commands = commands.replace(" --cli-binary-format raw-in-base64-out", "")
    # It finds SQS by the region alone, and exports no credentials, which are variables here.
    commands = commands.replace("aws sqs ", 'aws sqs --endpoint-url "$AWS_ENDPOINT_URL" ')
    return commands.replace('eval "$(aws configure export-credentials --format env)"\n', "")


def on_aws(text: str) -> list[str]:
    """Return the blocks of a page that call AWS, or what is deployed there."""
    return [as_version_1(block) for block in blocks(text, "sh") if "aws " in block]


def test_the_pages_lead_from_the_deployment_to_a_queue(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    with (
        fake.deployed(directory, IAM, monkeypatch.setenv) as stack,
        shell(tmp_path, None, **_of_aws()) as run,
    ):
        _first_query(run)
        _over_http(run)
        _through_a_queue(run, stack)


def _of_aws() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("AWS_")}


def _first_query(run: Run) -> None:
    text = page("getting-started-aws.md")
    deployment, ask, smoke = blocks(text, "sh")
    assert deployment == DEPLOYMENT
    assert smoke == f"make smoke STACK={fake.NAME}\n", "tests/tools/test_smoke.py runs it"
    (python,) = blocks(text, "python")

    assert '"rows": [["home", 3]]' in run(as_version_1(ask))
    assert run(f"python - <<'END'\n{python}END\n") == "[('home', 3)]\n"


def _over_http(run: Run) -> None:
    (signed,) = on_aws(page("http.md"))

    assert json.loads(run(signed))["rows"] == [[1]]


def _through_a_queue(run: Run, stack: Deployed) -> None:
    queue, ordered = on_aws(page("sqs.md"))
    for sends, rows in ((queue, 2), (ordered, 3)):
        assert "MessageId" in run(sends)
        stack.delivered.acquire()
        assert stack.functions[QUERY](COUNT)["rows"] == [[rows]]


def test_the_sample_of_a_batch_runs_on_this_machine(tmp_path: Path) -> None:
    (sample,) = [block for block in blocks(page("sqs.md"), "sh") if "aws " not in block]
    (tmp_path / "events").symlink_to(ROOT / "events")

    with shell(tmp_path) as run:
        printed = run(sample)

    assert '"batchItemFailures": [' in printed


def test_the_first_query_of_a_stack_without_a_vpc_is_the_same() -> None:
    both = [on_aws(page(name))[-1] for name in ("getting-started-aws.md", "without-a-vpc.md")]

    assert both[0] == both[1]
