"""Messages that come again, from a batch that half failed or from an instance that was killed."""

from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.e2e.emulator import Instance, Killed
from tests.handler.test_messages import failed, record

KILLED_TIMEOUT_S = 6
"""A batch's lease lasts as long as its function: short, so that the next one need not wait long."""

LOG = "SELECT what FROM log ORDER BY id"


def note(what: str) -> dict[str, Any]:
    return {"query": "INSERT INTO log (what) VALUES (?)", "parameters": [what]}


@pytest.fixture
def log(instance: Instance) -> None:
    instance.invoke({"query": "CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT)"})


def batch(*records: dict[str, Any]) -> dict[str, Any]:
    return {"Records": list(records)}


def test_a_batch_that_half_failed_and_comes_again_is_applied_once(
    log: None, instance: Instance, start: Start
) -> None:
    other = start()
    late = {"query": "INSERT INTO late VALUES (1)"}
    records = [record("a", note("a")), record("b", late), record("c", "{"), record("d", note("d"))]

    assert failed(instance.invoke(batch(*records))) == ["b", "c"]
    instance.invoke({"query": "CREATE TABLE late (n)"})
    # SQS may deliver those again, too, that succeeded; and to another instance.
    assert failed(other.invoke(batch(*records))) == ["c"]
    assert failed(instance.invoke(batch(*records))) == ["c"]

    assert instance.invoke({"query": LOG})["rows"] == [["a"], ["d"]]
    assert instance.invoke({"query": "SELECT n FROM late"})["rows"] == [[1]]


def test_a_fifo_group_that_half_failed_keeps_its_order(
    log: None, instance: Instance, start: Start
) -> None:
    other = start()
    waits = {"statements": [{"query": "SELECT * FROM late"}, note("x2")]}
    records = {
        "x1": record("x1", note("x1"), "x"),
        "x2": record("x2", waits, "x"),
        "y1": record("y1", note("y1"), "y"),
        "x3": record("x3", note("x3"), "x"),
        "y2": record("y2", note("y2"), "y"),
    }

    assert failed(instance.invoke(batch(*records.values()))) == ["x2", "x3"]
    assert failed(other.invoke(batch(records["x2"], records["x3"]))) == ["x2", "x3"]
    instance.invoke({"query": "CREATE TABLE late (n)"})
    assert failed(other.invoke(batch(records["x2"], records["x3"]))) == []

    whats = [what for (what,) in instance.invoke({"query": LOG})["rows"]]
    assert whats == ["x1", "y1", "y2", "x2", "x3"]


def test_a_batch_whose_instance_was_killed_is_applied_once_when_it_comes_again(
    log: None, instance: Instance, start: Start
) -> None:
    victim = start(handler="faults.lambda_handler", timeout_s=KILLED_TIMEOUT_S)
    records = [record(name, note(name), "main") for name in "abc"]

    with pytest.raises(Killed):
        victim.invoke({"fault": "exit", "event": batch(*records)})
    assert failed(instance.invoke(batch(*records))) == []
    assert failed(victim.invoke_until_in_time(batch(*records))) == []

    assert instance.invoke({"query": LOG})["rows"] == [["a"], ["b"], ["c"]]
