"""The check before traffic: CodeDeploy calls it with a deployment, and waits for its report.

It asks the new versions of both functions for their health and for a read. It writes nothing.
"""

import json
import os
import time
from typing import TYPE_CHECKING, Any

from handler.log import Logged
from handler.query import Context
from handler.record import Record

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

TRY_S = 20
"""For one invoke of a version, its cold start included."""

PAUSE_S = 3.0
"""Between two checks: a version that was just published may be pending for some seconds."""

RESERVE_S = 2 * TRY_S
"""Of the check's time, what the last try and the report need."""

READ = "SELECT count(*) FROM sqlite_schema"


class CheckFailed(Exception):
    """A new version does not answer as it should; says which and how."""


def lambda_handler(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Check a new version for CodeDeploy, which gets `Failed` whatever goes wrong here."""
    with Logged(Record(function_request_id=context.aws_request_id, door="rollout")) as record:
        record.kind = "check"
        try:
            _check_in_time(context)
        except Exception:
            _report(event, "Failed")
            raise
        _report(event, "Succeeded")
        return {"checked": [os.environ["QUERY_VERSION"], os.environ["READ_VERSION"]]}


def _check_in_time(context: Context) -> None:
    """Check until it succeeds or there is no time left for another try."""
    client = _client()
    while True:
        try:
            return check(client, os.environ["QUERY_VERSION"], os.environ["READ_VERSION"])
        except CheckFailed:
            if context.get_remaining_time_in_millis() / 1000 < RESERVE_S:
                raise
        time.sleep(PAUSE_S)


def check(client: "LambdaClient", query: str, read: str) -> None:
    """Raise CheckFailed if one of the two versions does not answer as it should."""
    health = _invoke(client, query, {"health": True})
    if health.get("status") != "ok":
        parts = {part: health.get(part) for part in ("directory", "lease_table", "memory")}
        raise CheckFailed(f"{query}: its health is {health.get('status')!r}: {parts}")
    # QueryFunction first: it recovers what a writer left that died, and the other cannot.
    for version in (query, read):
        if health["databases"]:
            _read(client, version, health["databases"][0]["name"])
        else:
            _read_none(client, version)


def _read(client: "LambdaClient", version: str, database: str) -> None:
    reply = _invoke(client, version, {"query": READ, "database": database, "read_only": True})
    if "rows" not in reply:
        raise CheckFailed(f"{version}: a read of {database!r} answered {reply}")


def _read_none(client: "LambdaClient", version: str) -> None:
    """Check that a read says DATABASE_NOT_FOUND, where there is no database yet."""
    reply = _invoke(client, version, {"query": READ, "read_only": True})
    if reply.get("errorType") != "DatabaseNotFound":
        raise CheckFailed(f"{version}: a read without a database answered {reply}")


def _invoke(client: "LambdaClient", version: str, event: dict[str, Any]) -> dict[str, Any]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = client.invoke(FunctionName=version, Payload=json.dumps(event))
        reply: dict[str, Any] = json.loads(answer["Payload"].read())
    except (BotoCoreError, ClientError, ValueError) as error:
        raise CheckFailed(f"{version}: {error}") from error
    return reply


def _client() -> "LambdaClient":
    import boto3
    from botocore.config import Config

    # No second attempts: this checks again by itself.
    config = Config(read_timeout=TRY_S, connect_timeout=TRY_S, retries={"total_max_attempts": 1})
    return boto3.client("lambda", config=config)


def _report(event: dict[str, Any], status: str) -> None:
    import boto3

    boto3.client("codedeploy").put_lifecycle_event_hook_execution_status(
        deploymentId=event["DeploymentId"],
        lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"],
        status=status,
    )
