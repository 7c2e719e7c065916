"""What each function asks of table and bucket, by the rights of its role in the templates alone."""

import json
import os
import time
from fnmatch import fnmatchcase
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

import pytest

from handler import transfer
from handler.local import LocalContext
from handler.reaper import reap
from handler.record import Record
from handler.service import service
from hrana.baton import INLINE_BYTES_MAX as INLINE_IN_BATON
from sqlatch.kernel.aws.answer import Answer
from sqlatch.kernel.aws.service import Service as AwsService
from sqlatch.kernel.aws.signature import Request
from sqlatch.kernel.errors import SqlatchError
from storage.log.dynamodb import INLINE_BYTES_MAX, DynamoLog
from storage.log.log import Place
from storage.log.objects import Objects
from storage.log.table import Table
from storage.log.turn import LOSSES_MAX, Turn
from tests.cloudformation import given, load, rendered
from tests.conftest import Ask, forget
from tests.dynamodb_server import CREDENTIALS, create_log
from tests.hrana.client import Client
from tests.hrana.conftest import PUBLIC, token

SERVICE, TRANSFER = load("template.yaml"), load("docs/transfer.yaml")
STATEMENTS = {
    role: [
        statement
        for policy in template["Resources"][role]["Properties"]["Policies"]
        for statement in rendered(
            policy["PolicyDocument"]["Statement"], template, given(template, Engine="dynamodb")
        )
    ]
    for role, template in {
        "QueryRole": SERVICE, "ReadRole": SERVICE, "ReaperRole": SERVICE, "TransferRole": TRANSFER,
    }.items()
}  # fmt: skip
TABLE, BUCKET = "LogTable.Arn", "LogBucket.Arn"
OBJECT_ACTIONS = {
    "GET": "s3:GetObject", "HEAD": "s3:GetObject", "PUT": "s3:PutObject", "POST": "s3:PutObject",
    "DELETE": "s3:DeleteObject",
}  # fmt: skip


IN_TRANSACTION = {
    "Put": "dynamodb:PutItem", "Update": "dynamodb:UpdateItem", "Delete": "dynamodb:DeleteItem",
    "ConditionCheck": "dynamodb:ConditionCheckItem",
}  # fmt: skip
"""A transaction needs the right to each of its writes, and none of its own."""


class Rights:
    """The rights of a role: what it asks beyond them is refused, and noted."""

    def __init__(self, table: str) -> None:
        self.role = "QueryRole"
        self.used: set[str] = set()
        self.refused: list[str] = []
        self._table = table

    def check(self, request: Request) -> bool:
        asked = list(self._asked(request))
        self.used |= {action for action, _resource in asked}
        missing = [
            f"{one} on {resource}" for one, resource in asked if not self._may(one, resource)
        ]
        self.refused += missing
        return not missing

    def _asked(self, request: Request) -> list[tuple[str, str]]:
        """The actions and resources of a request, in the terms of the templates."""
        operation = request.headers.get("x-amz-target", "").rpartition(".")[2]
        if operation == "TransactWriteItems":
            writes = [one for items in json.loads(request.body)["TransactItems"]
                      for one in items.items()]  # fmt: skip
            assert {write["TableName"] for _verb, write in writes} == {self._table}
            return [(IN_TRANSACTION[verb], TABLE) for verb, _write in writes]
        if operation:
            assert json.loads(request.body)["TableName"] == self._table
            return [(f"dynamodb:{operation}", TABLE)]
        key = request.path.lstrip("/")
        query = parse_qs(request.query, keep_blank_values=True)
        if request.method == "GET" and not key:
            return [("s3:ListBucket", BUCKET)]
        action = OBJECT_ACTIONS[request.method]
        if request.method == "DELETE" and "uploadId" in query:
            action = "s3:AbortMultipartUpload"
        asked = [(action, f"<{BUCKET}>/{key}")]
        if source := request.headers.get("x-amz-copy-source"):
            asked.append(("s3:GetObject", f"<{BUCKET}>/{source.lstrip('/').partition('/')[2]}"))
        return asked

    def _may(self, action: str, resource: str) -> bool:
        return any(
            statement["Effect"] == "Allow"
            and action in as_list(statement["Action"])
            and any(
                fnmatchcase(resource, imported(str(one))) for one in as_list(statement["Resource"])
            )
            for statement in STATEMENTS[self.role]
        )


def imported(resource: str) -> str:
    """The name that an import of the transfer stack has in the template of the service."""
    for name, of_service in (("<<ServiceStack>-LogTableArn>", TABLE),
                             ("<<ServiceStack>-LogBucketArn>", BUCKET)):  # fmt: skip
        name = name.replace("<ServiceStack>", TRANSFER["Parameters"]["ServiceStack"]["Default"])
        if resource == name:
            return of_service
        resource = resource.replace(name, f"<{of_service}>")
    return resource


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.fixture
def rights(
    environment: dict[str, str], moto_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Rights:
    monkeypatch.delenv("SQLATCH_DATABASES", raising=False)
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": moto_url}.items():
        monkeypatch.setenv(name, value)
    name = f"log-{uuid4()}"
    create_log(moto_url, name)
    monkeypatch.setenv("SQLATCH_LOG", f"dynamodb:{name},s3://{name}/databases")
    monkeypatch.setenv("SQLATCH_TOKEN_KEYS", PUBLIC)
    (tmp_path / "copies").mkdir()
    monkeypatch.setenv("SQLATCH_COPIES", str(tmp_path / "copies"))
    rights = Rights(name)
    send = vars(AwsService)["send"]

    def checked(self: Any, request: Request, **options: Any) -> Answer:
        if rights.check(request):
            answer: Answer = send(self, request, **options)
            return answer
        refusal = b'{"__type": "#AccessDeniedException", "message": "no rights"}'
        return Answer(403, {"content-type": "application/x-amz-json-1.0"}, refusal, is_last=False)

    monkeypatch.setattr(AwsService, "send", checked)
    return rights


def by(rights: Rights, role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go on as a new instance of the function of that role."""
    forget(service)
    rights.role = role
    rights.used.clear()
    monkeypatch.setenv("SQLATCH_READ_ONLY", "true" if role == "ReadRole" else "false")


@pytest.fixture
def log(rights: Rights, ask: Ask) -> DynamoLog:
    """The log of `main`, which has a small record and a large one, read to its end."""
    ask(query="CREATE TABLE t (v)")
    ask(query="INSERT INTO t VALUES (hex(randomblob(?)))", parameters=[INLINE_BYTES_MAX])
    table, bucket, _prefix = service().settings.log_table or ("", "", "")
    log = DynamoLog(
        "main", Table(table), Objects(bucket, "databases/"), at=Place(0, 0, 0), now=time.time
    )
    log.sync(time.time() + 60)
    return log


def test_the_writer_s_rights_are_enough_and_it_uses_each(
    log: DynamoLog, rights: Rights, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    by(rights, "QueryRole", monkeypatch)
    ask(query="SELECT count(*) FROM t")
    ask(query="INSERT INTO t VALUES (1)")
    ask(query="INSERT INTO t VALUES (hex(randomblob(?)))", parameters=[INLINE_BYTES_MAX])
    assert ask({"health": True})["status"] == "ok"
    stream = Client(token()).stream()
    stream.execute("BEGIN")
    for _statement in range(3):
        stream.execute("INSERT INTO t VALUES (?)", os.urandom(INLINE_IN_BATON * 2).hex())
    stream.execute("COMMIT")
    turn = Turn("main", Table(rights._table), now=count().__next__, sleep=time.sleep)
    for _loss in range(LOSSES_MAX + 1):
        turn.lost()
    assert not turn.must_wait(time.time() + 60)
    turn.committed()
    kept = ask(manage="delete", database="main")["kept"]
    assert ask(manage="undelete", database="again", kept=kept)["database"] == "again"

    assert rights.refused == []
    assert rights.used | {"dynamodb:GetItem"} == permitted("QueryRole")


def test_the_reader_s_rights_are_enough_and_no_write_gets_past_them(
    log: DynamoLog, rights: Rights, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    by(rights, "ReadRole", monkeypatch)
    assert ask(query="SELECT count(*) FROM t")["rows"] == [[1]]
    assert rights.refused == []
    assert rights.used | {"dynamodb:GetItem", "s3:ListBucket"} == permitted("ReadRole")

    monkeypatch.setenv("SQLATCH_READ_ONLY", "false")
    forget(service)
    with pytest.raises(SqlatchError) as refusal:
        ask(query="DELETE FROM t", timeout_ms=2000)
    assert refusal.value.code == "STORAGE_ERROR"
    assert set(rights.refused) == {f"dynamodb:PutItem on {TABLE}"}


def test_the_reaper_s_rights_are_enough(
    log: DynamoLog, rights: Rights, monkeypatch: pytest.MonkeyPatch
) -> None:
    by(rights, "ReaperRole", monkeypatch)

    report = reap(service(), Record("request", "schedule"), ends_at_s=time.time() + 60)
    log.remove(1, time.time() + 60)
    files = service().stream_files
    files.put("log", b"of a stream")

    assert report["failures"] == []
    assert files.clear(time.time() + 86_400) == 1
    assert rights.refused == []


@pytest.mark.parametrize("role", ["QueryRole", "ReadRole", "TransferRole"])
def test_nobody_but_the_reaper_can_delete(log: DynamoLog, rights: Rights, role: str) -> None:
    rights.role = role
    _, bucket, _ = service().settings.log_table or ("", "", "")

    with pytest.raises(SqlatchError):
        Table(rights._table).delete("main", 1)
    with pytest.raises(SqlatchError):
        Objects(bucket, "databases/").delete("main/large")
    assert [one.partition(" ")[0] for one in rights.refused] == [
        "dynamodb:DeleteItem", "s3:DeleteObject"
    ]  # fmt: skip


def test_a_database_is_moved_out_in_and_over_by_the_rights_of_the_transfer(
    log: DynamoLog, rights: Rights, ask: Ask, moto_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3

    monkeypatch.setenv("BUCKET", f"copies-{uuid4()}")
    client = boto3.client("s3")
    client.create_bucket(Bucket=os.environ["BUCKET"])
    client.close()
    by(rights, "TransferRole", monkeypatch)

    moved = transfer.lambda_handler({"move": "out"}, LocalContext())
    key = moved["copied"]["main"]["key"]
    for move in ("in", "over"):
        event = {"move": move, "database": "second", "key": key}
        transfer.lambda_handler(event, LocalContext())
        ask(query="SELECT count(*) FROM t", database="second")

    assert ask(query="SELECT count(*) FROM t", database="second")["rows"] == [[1]]
    assert moved["failed"] == {}
    assert rights.refused == []


def permitted(role: str) -> set[str]:
    """What the role may do with table and bucket."""
    return {
        action
        for statement in STATEMENTS[role]
        for action in as_list(statement["Action"])
        if action.startswith(("dynamodb:", "s3:"))
    }
