"""The workers: requests side by side, and one that dies while it answers."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from handler.settings import LEASES_FILE
from locking.clock import Clock
from locking.leases import Leases
from locking.sqlite import SQLiteTable
from sqlatch.server.workers import Workers
from tests import local_server

FOR_EVER = "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT max(n) FROM c"
OTHERS = 20


@pytest.fixture
def workers(environment: dict[str, str]) -> Iterator[Workers]:
    workers = Workers(os.environ)
    yield workers
    workers.end()


def ask(workers: Workers, sql: str) -> tuple[int, Any]:
    answer = workers.answer(local_server.event(sql))
    return answer["statusCode"], json.loads(answer["body"])


def kill(workers: Workers) -> None:
    for worker in list(workers._all):
        worker.process.kill()
        worker.process.wait()


def test_others_are_answered_while_a_query_runs_until_its_worker_dies(workers: Workers) -> None:
    assert ask(workers, "CREATE TABLE t AS SELECT 7 AS n")[0] == 200

    with ThreadPoolExecutor(1) as thread:
        long = thread.submit(ask, workers, FOR_EVER)
        while workers._idle:
            assert not long.done()
        others = [ask(workers, "SELECT n FROM t") for _ in range(OTHERS)]
        assert not long.done()
        kill(workers)

    assert [(status, reply["rows"]) for status, reply in others] == [(200, [[7]])] * OTHERS
    assert long.result() == (500, {"message": "the worker that had the request has ended"})
    # The idle worker was killed too, before it was asked: another one is.
    assert ask(workers, "SELECT n FROM t")[1]["rows"] == [[7]]


def test_writers_that_wait_at_this_moment_are_counted(directory: Path) -> None:
    """Three of which two have a worker, while another process has the lease."""
    settings = {name: value for name, value in os.environ.items() if "SQLATCH" not in name}
    workers = Workers({**settings, "SQLATCH_DATABASES": str(directory)})
    assert ask(workers, "CREATE TABLE t (n)")[0] == 200
    clock = Clock()
    leases = Leases(SQLiteTable(directory / LEASES_FILE), clock=clock)
    with ThreadPoolExecutor(3) as threads:
        with leases.hold("main", holder="another", deadline_s=clock.now() + 60):
            writers = [threads.submit(ask, workers, "INSERT INTO t VALUES (1)") for _ in range(3)]
            while workers.waiting() != {"leases": {"main": 2}, "turns": 1}:
                assert not any(writer.done() for writer in writers)
                clock.sleep(0.01)
            # Whoever watches is answered meanwhile.
            assert workers.answer_beside(local_server.event("SELECT 1"))["statusCode"] == 200
        assert [writer.result()[0] for writer in writers] == [200] * 3
    assert workers.waiting() == {"leases": {}, "turns": 0}
    workers.end()
    leases.close()


def test_one_worker_is_enough_for_requests_in_turn(workers: Workers) -> None:
    assert workers.problem() is None
    for _ in range(3):
        ask(workers, "SELECT 1")

    assert len(workers._all) == 1


def test_what_is_wrong_with_the_settings_is_told(tmp_path: Path) -> None:
    workers = Workers({**os.environ, "SQLATCH_DATABASES": str(tmp_path / "none")})

    problem = workers.problem()
    workers.end()

    assert problem is not None
    assert str(tmp_path / "none") in problem
