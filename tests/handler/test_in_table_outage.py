"""One of the table and the bucket is away: what goes on without it, and what the rest is told."""

import gc
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from handler.service import service
from sqlatch.kernel.aws.answer import Answer
from sqlatch.kernel.aws.s3 import Bucket
from storage.log import compaction
from tests.conftest import Ask, forget
from tests.handler import test_in_table
from tests.handler.test_in_table_refused import LARGE, READ, SMALL, told

logs, copies = test_in_table.logs, test_in_table.copies

TIMEOUT_MS = 400
SCHEDULE = {"source": "aws.events"}

Away = Callable[[str], None]


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Away:
    """Have nobody answer for a service of AWS, "" for none; a new process goes on."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}"

    def away(name: str) -> None:
        for each in ("DYNAMODB", "S3"):
            monkeypatch.delenv(f"AWS_ENDPOINT_URL_{each}", raising=False)
        if name:
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{name}", nobody)
        forget(service)
        gc.collect()  # the copies of the process before are free then

    return away


@pytest.fixture
def table(ask: Ask) -> None:
    ask(query="CREATE TABLE t (n)")
    ask(SMALL)


@pytest.fixture
def compacted(table: None, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the newest record is in the table, the others are in the bucket."""
    monkeypatch.setattr(compaction, "RECORDS_KEPT_S", -60)
    assert ask(SCHEDULE)["failures"] == []


@pytest.fixture
def elsewhere(compacted: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next process is on another machine, which has no copies."""
    monkeypatch.setenv("SQLATCH_COPIES", str(tmp_path))


def within(event: dict[str, Any]) -> dict[str, Any]:
    return {**event, "timeout_ms": TIMEOUT_MS}


def test_without_the_bucket_an_instance_with_its_copy_reads_and_writes_what_fits_into_an_item(
    table: None, ask: Ask, refused: Ask, away: Away
) -> None:
    away("S3")

    assert ask(READ)["rows"] == [[1]]
    ask(SMALL)
    error = refused(within(LARGE))

    told(error, f"the bucket {bucket_name()!r}", "no connection")
    assert (error["retryable"], error.get("outcome", "nothing")) == (True, "nothing")
    away("")
    assert ask(READ)["rows"] == [[1], [1]]
    ask(LARGE)


def test_without_the_bucket_a_new_instance_is_refused(
    compacted: None, refused: Ask, ask: Ask, away: Away, elsewhere: None
) -> None:
    away("S3")

    for event in (READ, SMALL):
        told(refused(within(event)), f"the bucket {bucket_name()!r}", "no connection")
    away("")
    assert ask(READ)["rows"] == [[1]]


def test_without_the_bucket_the_reaper_says_so_and_removes_nothing(
    compacted: None, ask: Ask, away: Away, elsewhere: None
) -> None:
    ask(SMALL)
    away("S3")

    (failure,) = ask(SCHEDULE)["failures"]

    assert failure["database"] == "main"
    told(failure, "the bucket", "no connection")
    away("")
    assert ask(READ)["rows"] == [[1], [1]]
    assert ask(SCHEDULE)["failures"] == []


@pytest.mark.parametrize("event", [READ, SMALL, LARGE])
def test_without_the_table_a_request_is_refused_and_has_written_nothing(
    table: None, ask: Ask, refused: Ask, away: Away, event: dict[str, Any]
) -> None:
    away("DYNAMODB")

    error = refused(within(event))

    told(error, "the table", "no connection")
    assert (error["retryable"], error.get("outcome", "nothing")) == (True, "nothing")
    away("")
    assert ask(READ)["rows"] == [[1]]
    ask(LARGE)


def test_without_the_table_a_read_goes_on_that_may_be_older_than_the_last_answer(
    table: None, ask: Ask, refused: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask(READ)["rows"] == [[1]]

    def unreachable(*_call: Any, **_options: Any) -> Any:
        raise AssertionError("the table is not to be asked")

    monkeypatch.setattr("sqlatch.kernel.aws.service.Service.send", unreachable)

    assert ask({**READ, "max_age_ms": 60_000})["rows"] == [[1]]


def bucket_name() -> str:
    return os.environ["SQLATCH_LOG"].split("s3://")[1].split("/")[0]


def test_every_call_to_the_bucket_has_the_deadline_of_its_request(
    compacted: None, ask: Ask, away: Away, elsewhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    away("")
    asked = []
    send = Bucket.send

    def sending(self: Bucket, *arguments: Any, **options: Any) -> Answer:
        asked.append(options["deadline_s"])
        return send(self, *arguments, **options)

    monkeypatch.setattr(Bucket, "send", sending)
    before_s = time.time()

    assert ask({**READ, "timeout_ms": 50_000})["rows"] == [[1]]

    assert len(asked) > 1
    assert all(before_s <= deadline_s - 50 <= time.time() for deadline_s in asked)
