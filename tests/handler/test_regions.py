"""A node in another region: it reads a replica of the table, to which items come in any order."""

import random
import time
from contextlib import closing
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest

from events.request import QueryEvent, parse
from handler.record import Record
from handler.service import Service
from handler.settings import Settings
from sqlatch.errors import Timeout
from sqlatch.kernel.aws.dynamodb import DynamoDB
from storage.nodes import ForLeader
from tests.dynamodb_server import CREDENTIALS, create_log

COMMITS = 12


class Region:
    """The service of a region; `table` is its own."""

    def __init__(self, url: str, copies: Path, bucket: str = "", **settings: Any) -> None:
        copies.mkdir()
        log = create_log(url, f"log-{uuid4()}")
        self.table = log.removeprefix("dynamodb:").partition(",")[0]
        self.log = f"dynamodb:{self.table},{bucket or log.partition(',')[2]}"
        self.service = Service(Settings(log=self.log, copies=copies, **settings))

    def ask(self, **event: Any) -> Any:
        request = cast("QueryEvent", parse({"database": "main", **event}))
        record = Record(function_request_id="r", door="direct")
        return self.service.answer(request, record, ends_at_s=time.time() + 30)


@pytest.fixture
def home(moto_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Region:
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": moto_url}.items():
        monkeypatch.setenv(name, value)
    return Region(moto_url, tmp_path / "home")


@pytest.fixture
def abroad(home: Region, moto_url: str, tmp_path: Path) -> Region:
    bucket = home.log.partition(",")[2]
    return Region(moto_url, tmp_path / "abroad", bucket, leader="https://home.example.com")


def items_of(region: Region) -> list[dict[str, Any]]:
    with closing(DynamoDB()) as dynamodb:
        found: list[dict[str, Any]] = dynamodb.call("Scan", {"TableName": region.table})["Items"]
        return found


def replicate(item: dict[str, Any], to: Region) -> None:
    with closing(DynamoDB()) as dynamodb:
        dynamodb.call("PutItem", {"TableName": to.table, "Item": item})


def test_a_read_sees_a_state_that_was_whatever_order_its_records_come_in(
    home: Region, abroad: Region
) -> None:
    home.ask(query="CREATE TABLE t (n, filling)")
    for n in range(1, COMMITS):
        # Some are so large that only their name is in the table.
        size = 300_000 if n % 4 == 0 else 1
        home.ask(query="INSERT INTO t VALUES (?, hex(randomblob(?)))", parameters=[n, size])
    items = items_of(home)
    first = [item for item in items if item["sk"]["N"] == "1"]
    others = [item for item in items if item not in first]
    random.shuffle(others)
    seen = 0
    for item in [*first, *others]:
        replicate(item, abroad)
        rows = abroad.ask(query="SELECT n FROM t ORDER BY n")["rows"]
        assert rows == [(n,) for n in range(1, len(rows) + 1)]
        assert len(rows) >= seen
        seen = len(rows)
    assert seen == COMMITS - 1


def test_a_position_that_has_not_arrived_is_waited_for(home: Region, abroad: Region) -> None:
    home.ask(query="CREATE TABLE t (n)")
    for item in items_of(home):
        replicate(item, abroad)
    position = home.ask(query="INSERT INTO t VALUES (1)")["meta"]["position"]
    with pytest.raises(Timeout, match="did not reach position"):
        abroad.ask(query="SELECT n FROM t", at_least=position, timeout_ms=1_000)
    for item in items_of(home):
        replicate(item, abroad)
    assert abroad.ask(query="SELECT n FROM t", at_least=position)["rows"] == [(1,)]


def test_what_is_written_is_sent_home(home: Region, abroad: Region) -> None:
    home.ask(query="CREATE TABLE t (n)")
    for item in items_of(home):
        replicate(item, abroad)
    with pytest.raises(ForLeader):
        abroad.ask(query="INSERT INTO t VALUES (1)")
