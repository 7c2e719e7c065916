"""One worker: an event in, an answer out, until its input ends."""

import os

import pytest

from sqlatch.server.worker import Worker, WorkerEnded
from tests import local_server


def test_a_worker_answers_and_ends_when_it_is_told(environment: dict[str, str]) -> None:
    worker = Worker(os.environ, [])
    assert worker.ask(local_server.event("SELECT 1"))["statusCode"] in {200, 404}
    assert worker.end() == 0
    with pytest.raises(WorkerEnded):
        raise WorkerEnded(worker.process.returncode, began=False)


def test_one_that_was_killed_says_whether_it_had_the_event(environment: dict[str, str]) -> None:
    worker = Worker(os.environ, [])
    worker.process.kill()
    worker.process.wait()
    with pytest.raises(WorkerEnded):
        worker.ask(local_server.event("SELECT 1"))
