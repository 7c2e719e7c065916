"""Everything that a request repeats ends at its deadline: steps, statements, descriptions."""

import time
from collections import Counter
from functools import partial
from itertools import count
from typing import Any

import pytest

from handler.service import Service, service
from locking.clock import Clock
from storage.watchdog import Watchdog
from tests.hrana.client import Client, execute, plain

STEPS = 3_000
LOOKS = 2_000
"""The clock of these tests goes on a millisecond whenever it is looked at; this is the deadline."""

DEADLINE = "SQLITE_INTERRUPT"


@pytest.fixture
def late(request: pytest.FixtureRequest, client: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A client of a service whose clock goes on only when it is looked at.

    The watchdog goes by the real time, in which these requests may be late on a busy machine.
    """
    monkeypatch.setattr(Watchdog, "watch", lambda *_watched: None)
    client.stream().execute("CREATE TABLE t (n)")
    monkeypatch.setenv("SQLATCH_TIMEOUT_MS", str(LOOKS + getattr(request, "param", 0)))
    service().close()
    service.cache_clear()
    started_s, looks = time.time(), count()
    clock = Clock(now=lambda: started_s + next(looks) / 1000)
    monkeypatch.setattr("handler.service.Service", partial(Service, clock=clock))
    return client


def batch(sql: str, steps: int = STEPS) -> dict[str, Any]:
    return {"type": "batch", "batch": {"steps": [{"stmt": {"sql": sql}}] * steps}}


@pytest.mark.parametrize("sql", ["ROLLBACK TO x", "COMMIT", "SELEC", "SELECT 1", ""])
def test_the_steps_of_a_batch_that_are_behind_the_deadline_are_refused(
    late: Client, sql: str
) -> None:
    (answer,) = late.stream().ask(batch(sql))

    result = answer["response"]["result"]
    codes = [error and error["code"] for error in result["step_errors"]]
    assert codes[0] != DEADLINE
    assert set(codes[LOOKS:]) == {DEADLINE}


@pytest.mark.parametrize("script", ["BEGIN; ROLLBACK;", "SELECT 1;", ";", "-- nothing\n;"])
def test_a_script_ends_at_the_deadline(late: Client, script: str) -> None:
    (answer,) = late.stream().ask({"type": "sequence", "sql": script * STEPS})

    assert answer["error"]["code"] == DEADLINE


def test_descriptions_behind_the_deadline_are_refused(late: Client) -> None:
    answers = late.stream().ask(*[{"type": "describe", "sql": "SELECT 1"}] * STEPS)

    codes = Counter(answer.get("error", {}).get("code") for answer in answers)
    assert set(codes) == {None, DEADLINE}
    assert codes[DEADLINE] > STEPS - LOOKS


@pytest.mark.parametrize("late", range(6), indirect=True, ids="{} looks later".format)
def test_past_the_deadline_a_transaction_commits_nothing_and_can_be_rolled_back(
    late: Client,
) -> None:
    stream = late.stream()
    stream.ask(execute("BEGIN"), execute("INSERT INTO t VALUES (1)"))

    answers = stream.ask(batch("SELEC"), execute("COMMIT"), execute("ROLLBACK"))

    assert answers[1]["error"]["code"] == DEADLINE
    assert answers[2]["type"] == "ok"
    assert service().held_leases() == []
    assert plain(late.stream().execute("SELECT count(*) FROM t")) == [[0]]
