"""The worker that serves logs: many questions at a time, in one process."""

import base64
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sqlatch.server.workers import Workers
from sqlatch.tokens import new_key, sign
from tests import local_server

WAITERS = 12

TOKEN: dict[str, str] = {}


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    (tmp_path / "logs").mkdir()
    (tmp_path / "copies").mkdir()
    private, public = new_key()
    workers = Workers(
        {
            **os.environ,
            "SQLATCH_LOG": f"directory:{tmp_path / 'logs'}",
            "SQLATCH_COPIES": str(tmp_path / "copies"),
            "SQLATCH_TOKEN_KEYS": public,
        }
    )
    TOKEN["authorization"] = f"Bearer {sign(private, access='rw', databases='*', lifetime_s=600)}"
    yield workers
    workers.end()


def get(workers: Workers, path: str, query: str = "") -> dict[str, Any]:
    event = local_server.event("")
    http = {"method": "GET", "path": path}
    event |= {"rawPath": path, "rawQueryString": query, "body": "", "headers": TOKEN}
    event["requestContext"] = {"http": http, "stage": "$default"}
    return workers.answer(event)


def write(workers: Workers, sql: str) -> None:
    assert workers.answer(local_server.event(sql))["statusCode"] == 200


def test_questions_that_wait_stand_in_nobodys_way(workers: Workers) -> None:
    write(workers, "CREATE TABLE t (n)")
    with ThreadPoolExecutor(WAITERS) as threads:
        waiting = [
            threads.submit(get, workers, "/-/log/main", "after=0000000000000001&wait_ms=20000")
            for _ in range(WAITERS)
        ]
        names = json.loads(_content(get(workers, "/-/log")))
        assert list(names["databases"]) == ["main"]
        assert not any(waiter.done() for waiter in waiting)
        write(workers, "INSERT INTO t VALUES (1)")
        answers = {_content(waiter.result()) for waiter in waiting}
    assert len(answers) == 1
    assert answers != {b""}


def test_a_process_that_has_ended_is_started_again(workers: Workers) -> None:
    write(workers, "CREATE TABLE t (n)")
    assert get(workers, "/-/log")["statusCode"] == 200
    process = workers._logs._process
    assert process is not None
    with ThreadPoolExecutor(1) as thread:
        query = "after=0000000000000001&wait_ms=20000"
        waiting = thread.submit(get, workers, "/-/log/main", query)
        while not process._waiting:
            pass
        process.process.kill()
        assert waiting.result()["statusCode"] == 500
    while not process.has_ended:
        pass
    assert get(workers, "/-/log")["statusCode"] == 200


def _content(answer: dict[str, Any]) -> bytes:
    return base64.b64decode(answer["body"])
