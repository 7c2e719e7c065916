"""The check before traffic: the new versions are processes of their own, CodeDeploy is a server."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from handler import rollout
from handler.local import LocalContext
from handler.rollout import CheckFailed
from tests import aws_server
from tests.aws_server import Aws
from tests.instance import Instance

QUERY = "arn:aws:lambda:eu-west-1:123456789012:function:sqlatch-query:7"
READ = "arn:aws:lambda:eu-west-1:123456789012:function:sqlatch-read:5"
DEPLOYMENT = {"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "hook-1"}


@pytest.fixture
def aws(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """Both new versions, on one directory."""
    settings = {"SQLATCH_DATABASES": str(directory)}
    with ExitStack() as stack:
        aws = stack.enter_context(aws_server.running())
        aws.functions[QUERY] = stack.enter_context(Instance(settings))
        read_only = {**settings, "SQLATCH_READ_ONLY": "true", "SQLATCH_CREATE": "never"}
        aws.functions[READ] = stack.enter_context(Instance(read_only))
        for name, value in aws.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("QUERY_VERSION", QUERY)
        monkeypatch.setenv("READ_VERSION", READ)
        yield aws


@pytest.fixture
def hook(aws: Aws) -> Callable[[], Any]:
    """Call the hook as CodeDeploy does, with no time for a second try."""

    def hook() -> Any:
        context = LocalContext()
        context.ends_at_s -= 0.9 * 29
        return rollout.lambda_handler(DEPLOYMENT, context)

    return hook


def told(aws: Aws) -> list[str]:
    for report in aws.reports:
        assert report["deploymentId"] == "d-1"
        assert report["lifecycleEventHookExecutionId"] == "hook-1"
    return [report["status"] for report in aws.reports]


def test_versions_that_answer_get_their_traffic(aws: Aws, hook: Callable[[], Any]) -> None:
    assert hook() == {"checked": [QUERY, READ]}, "before the first database"
    aws.functions[QUERY]({"query": "CREATE TABLE t (n)"})

    hook()

    assert told(aws) == ["Succeeded", "Succeeded"]


def broken(_event: Any) -> Any:
    return {"errorType": "Runtime.ImportModuleError", "errorMessage": "No module named apsw"}


def degraded(_event: Any) -> Any:
    return {"status": "degraded", "lease_table": {"ok": False, "error": "no such table"}}


@pytest.mark.parametrize(
    "refused",
    [
        (QUERY, broken, "health"),
        (QUERY, degraded, "no such table"),
        (READ, broken, "ImportModuleError"),
        (READ, None, "Function not found"),
    ],
)
@pytest.mark.parametrize("databases", [0, 1])
def test_a_version_that_does_not_answer_gets_none(
    aws: Aws, hook: Callable[[], Any], refused: tuple[str, Any, str], databases: int
) -> None:
    version, answers, why = refused
    for _ in range(databases):
        aws.functions[QUERY]({"query": "CREATE TABLE t (n)"})
    if answers:
        aws.functions[version] = answers
    else:
        del aws.functions[version]

    with pytest.raises(CheckFailed, match=why):
        hook()

    assert told(aws) == ["Failed"]


def test_a_version_that_is_still_pending_is_asked_again(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready, slept = aws.functions.pop(READ), []

    def sleep(pause_s: float) -> None:
        slept.append(pause_s)
        aws.functions[READ] = ready

    monkeypatch.setattr("handler.rollout.time.sleep", sleep)
    context = LocalContext()
    context.ends_at_s += 120

    rollout.lambda_handler(DEPLOYMENT, context)

    assert (told(aws), slept) == (["Succeeded"], [rollout.PAUSE_S])


def test_nothing_is_written_by_the_check(
    aws: Aws, hook: Callable[[], Any], directory: Path
) -> None:
    aws.functions[QUERY]({"query": "CREATE TABLE t (n)"})
    before = {path.name: path.read_bytes() for path in directory.glob("*.db")}

    hook()

    assert {path.name: path.read_bytes() for path in directory.glob("*.db")} == before
