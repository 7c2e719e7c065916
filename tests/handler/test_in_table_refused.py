"""Bad days of a table and a bucket, as a user sees them: a named error, and nothing is lost."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from handler.service import service
from sqlatch.command.exits import Exit
from sqlatch.command.main import run
from sqlatch.kernel.aws.answer import Answer
from sqlatch.kernel.aws.service import Service as AwsService
from storage.log.dynamodb import INLINE_BYTES_MAX
from tests.conftest import Ask, forget
from tests.dynamodb_server import create_table
from tests.handler import test_in_table

logs, copies = test_in_table.logs, test_in_table.copies

READ = {"query": "SELECT n FROM t"}
SMALL = {"query": "INSERT INTO t VALUES (1)"}
LARGE = {"query": f"CREATE TABLE large AS SELECT randomblob({2 * INLINE_BYTES_MAX}) AS content"}

Refuse = Callable[[str, str, str], None]


@pytest.fixture
def table(ask: Ask) -> None:
    ask(query="CREATE TABLE t (n)")


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """Have AWS refuse an operation, `*` for all, with this code and message; "" allows it again."""
    refusals: dict[str, tuple[str, str]] = {}
    send = vars(AwsService)["send"]

    def refusing(self: Any, request: Any, **options: Any) -> Any:
        target = request.headers.get("x-amz-target", f"S3 {request.method}").rpartition(".")[2]
        refusal = refusals.get(target) or refusals.get("*")
        if not refusal:
            return send(self, request, **options)
        return refused_by_s3(*refusal) if target[:2] == "S3" else refused_by_dynamodb(*refusal)

    def refuse(operation: str, code: str, message: str) -> None:
        refusals[operation] = (code, message)
        if not code:
            del refusals[operation]

    monkeypatch.setattr(AwsService, "send", refusing)
    return refuse


def refused_by_dynamodb(code: str, message: str) -> Answer:
    body = {"__type": f"com.amazon.coral.service#{code}", "message": message}
    return Answer(400, {}, json.dumps(body).encode(), is_last=False)


def refused_by_s3(code: str, message: str) -> Answer:
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Answer(403, {}, body.encode(), is_last=False)


@pytest.fixture
def bucket(logs: None, moto_url: str) -> Any:
    """The bucket, as its owner sees it."""
    name = os.environ["SQLATCH_LOG"].split("s3://")[1].split("/")[0]
    return boto3.resource("s3", endpoint_url=moto_url).Bucket(name)


def told(error: dict[str, Any], *parts: str) -> None:
    """Check that it is an error of the storage whose message has these parts."""
    assert error["code"] == "STORAGE_ERROR"
    for part in parts:
        assert part in error["message"]


@pytest.mark.parametrize("query", [READ, SMALL])
def test_a_table_that_is_not_there(
    ask: Ask, refused: Ask, query: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = os.environ["SQLATCH_LOG"].partition(",")[2]
    monkeypatch.setenv("SQLATCH_LOG", f"dynamodb:nothing,{bucket}")
    forget(service)

    error = refused(query)

    told(error, "the table 'nothing'", "ResourceNotFoundException", "create it", "SQLATCH_LOG")
    assert error["aws_code"] == "ResourceNotFoundException"


def test_a_table_that_has_other_keys(
    ask: Ask, refused: Ask, moto_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_table(moto_url, "for-leases")
    bucket = os.environ["SQLATCH_LOG"].partition(",")[2]
    monkeypatch.setenv("SQLATCH_LOG", f"dynamodb:for-leases,{bucket}")
    forget(service)

    told(refused(READ), "the table 'for-leases'", "pk (S) and sk (N)")


def test_a_bucket_that_is_not_there_holds_up_large_records_only(
    table: None, ask: Ask, refused: Ask, bucket: Any
) -> None:
    bucket.delete()

    error = refused(LARGE)

    told(error, f"the bucket {bucket.name!r}", "NoSuchBucket", "create it")
    assert error["outcome"] == "nothing"
    ask(SMALL)
    bucket.create()
    ask(LARGE)
    assert (ask(READ)["rows"], len(ask(query="SELECT * FROM large")["rows"])) == ([[1]], 1)


def test_a_bucket_that_was_emptied_is_told_by_the_record_that_is_missed(
    *,
    table: None,
    ask: Ask,
    refused: Ask,
    bucket: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ask(LARGE)
    ask(SMALL)
    (found,) = bucket.objects.all()
    content = found.get()["Body"].read()
    found.delete()

    assert ask(READ)["rows"] == [[1]], "an instance that has its copy goes on"
    monkeypatch.setenv("SQLATCH_COPIES", str(tmp_path))
    forget(service)
    for query in (READ, SMALL):
        told(refused(query), found.key.removeprefix("logs/"), "not in the bucket", "restore it")
    bucket.put_object(Key=found.key, Body=content)
    assert ask(READ)["rows"] == [[1]]


DENIED = "User: arn:aws:sts::1:assumed-role/r is not authorized to perform: dynamodb:{}"
EXPIRED = "The security token included in the request is expired"


@pytest.mark.parametrize(
    ("operation", "code", "message", "event", "steps"),
    [
        ("Query", "AccessDeniedException", DENIED, READ, "allow"),
        ("PutItem", "AccessDeniedException", DENIED, SMALL, "allow"),
        ("S3 PUT", "AccessDenied", "Access Denied", LARGE, "allow"),
        ("*", "ExpiredTokenException", EXPIRED, READ, "renew"),
        ("*", "ExpiredTokenException", EXPIRED, SMALL, "renew"),
        ("S3 PUT", "ExpiredToken", EXPIRED, LARGE, "renew"),
        ("*", "UnrecognizedClientException", "The security token is invalid", SMALL, "check"),
        ("*", "InvalidSignatureException", "Signature expired", SMALL, "clock"),
        ("S3 PUT", "RequestTimeTooSkewed", "The difference is too large", LARGE, "clock"),
        ("S3 PUT", "PermanentRedirect", "another endpoint", LARGE, "region"),
    ],
)
def test_what_aws_refuses_is_told_with_the_next_step_and_has_written_nothing(
    *,
    table: None,
    ask: Ask,
    refused: Ask,
    refuse: Refuse,
    operation: str,
    code: str,
    message: str,
    event: dict[str, Any],
    steps: str,
) -> None:
    ask(SMALL)
    before = ask(READ)["meta"]["position"]
    refuse(operation, code, message)

    error = refused(event)

    told(error, code, message, steps)
    assert error["aws_code"] == code
    assert error.get("outcome", "nothing") == "nothing"
    refuse(operation, "", "")
    after = ask(READ)
    assert (after["rows"], after["meta"]["position"]) == ([[1]], before)
    ask(SMALL)
    assert ask(READ)["rows"] == [[1], [1]]


@pytest.mark.parametrize("event", [READ, SMALL, LARGE])
def test_throttling_that_does_not_end_is_told_at_the_deadline_and_has_written_nothing(
    table: None, ask: Ask, refused: Ask, refuse: Refuse, event: dict[str, Any]
) -> None:
    ask(SMALL)
    refuse("*", "ThrottlingException", "Rate exceeded")

    error = refused({**event, "timeout_ms": 1_500})

    told(error, "ThrottlingException", "Rate exceeded")
    assert error["retryable"] is True
    assert error.get("outcome", "nothing") == "nothing"
    refuse("*", "", "")
    assert ask(READ)["rows"] == [[1]]


def test_an_idempotent_write_that_was_refused_is_applied_when_it_comes_again(
    table: None, ask: Ask, refused: Ask, refuse: Refuse
) -> None:
    write = {**SMALL, "idempotency_key": "k"}
    refuse("PutItem", "ExpiredTokenException", EXPIRED)
    refused(write)
    refuse("PutItem", "", "")

    assert ask(write)["meta"]["replayed"] is False
    assert ask(write)["meta"]["replayed"] is True
    assert ask(READ)["rows"] == [[1]]


def test_without_a_region_or_credentials_it_says_which_variable(
    ask: Ask, refused: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    forget(service)
    told(refused(READ), "set AWS_REGION")

    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    forget(service)
    told(refused(READ), "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")


def test_health_and_the_local_server_say_that_the_bucket_is_not_there(
    ask: Ask, bucket: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket.delete()

    health = ask(health=True)
    status = run(["serve", "--port", "0"])

    assert (health["status"], status) == ("degraded", Exit.REFUSED)
    for said in (health["directory"]["error"], capsys.readouterr().err):
        assert f"the bucket {bucket.name!r}: NoSuchBucket" in said


def test_the_local_server_says_which_setting_is_wrong(
    logs: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SQLATCH_LOG", "dynamodb:a-table")

    assert run(["serve", "--port", "0"]) == Exit.REFUSED
    assert capsys.readouterr().err == (
        "Error: nothing is served: SQLATCH_LOG: must be directory:<path>,"
        " dynamodb:<table>,s3://<bucket>/<prefix> or https://<node>, but it is 'dynamodb:a-table'\n"
    )
