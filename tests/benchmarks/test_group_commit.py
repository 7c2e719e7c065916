"""A queue's batch is one record, whatever its size: the calls that it costs, counted."""

import json
from collections import Counter
from itertools import count

import pytest

from benchmarks.group_commit import TABLE, batch
from tests.conftest import Ask
from tests.handler import test_in_table

logs, copies, calls = test_in_table.logs, test_in_table.copies, test_in_table.calls

EVENT_BYTES_MAX = 6 * 1024 * 1024
"""Lambda's limit of an event. SQS gives a function of a standard queue at most 10,000 messages."""

APPEND = {"PutItem": 1}
LARGE_APPEND = {"PUT": 1, "PutItem": 1}


@pytest.mark.parametrize(
    ("messages", "cost"), [(10, APPEND), (1_000, APPEND), (10_000, LARGE_APPEND)]
)
def test_a_batch_is_one_append_whatever_its_size(
    ask: Ask, calls: Counter[str], messages: int, cost: dict[str, int]
) -> None:
    event = batch(messages, count())
    first = int(ask(query=TABLE)["meta"]["position"], 16)
    calls.clear()

    assert ask(event) == {"batchItemFailures": []}

    assert calls == cost
    assert len(json.dumps(event)) < EVENT_BYTES_MAX
    counted = ask(query="SELECT count(*) FROM events")
    assert counted["rows"] == [[messages]]
    assert int(counted["meta"]["position"], 16) == first + 1
    calls.clear()
    assert ask(event) == {"batchItemFailures": []}
    assert "PutItem" not in calls, "all of it was there"
