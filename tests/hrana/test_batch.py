"""The conditions of a batch: which steps they may look at, how deep, and which then run."""

from typing import Any

import pytest

from hrana.batch import check
from hrana.protocol import Batch
from hrana.refusals import RequestRefused
from tests.hrana.client import Client, batch, response, step

CONDITIONS = batch(
    step("SELECT 0"),
    step("SELECT nothing", {"type": "ok", "step": 0}),
    step("SELECT 2", {"type": "ok", "step": 1}),
    step("SELECT 3", {"type": "error", "step": 1}),
    step("SELECT 4", {"type": "not", "cond": {"type": "ok", "step": 2}}),
    step("SELECT 5", {"type": "not", "cond": {"type": "error", "step": 2}}),
    step(
        "SELECT 6",
        {"type": "and", "conds": [{"type": "ok", "step": 0}, {"type": "ok", "step": 1}]},
    ),
    step(
        "SELECT 7",
        {"type": "or", "conds": [{"type": "ok", "step": 0}, {"type": "ok", "step": 1}]},
    ),
    step("SELECT 8", {"type": "and", "conds": []}),
    step("SELECT 9", {"type": "or", "conds": []}),
    step("BEGIN", {"type": "is_autocommit"}),
    step("SELECT 11", {"type": "is_autocommit"}),
    step("ROLLBACK"),
)


RUN = [0, 3, 4, 5, 7, 8, 10, 12]


def test_conditions_look_at_the_steps_before(client: Client) -> None:
    result = response(client, {"type": "batch", "batch": CONDITIONS})["result"]
    ran = [number for number, one in enumerate(result["step_results"]) if one is not None]
    failed = [number for number, one in enumerate(result["step_errors"]) if one is not None]
    assert (ran, failed) == (RUN, [1])


def nested(levels: int) -> Any:
    condition: Any = {"type": "is_autocommit"}
    for _level in range(levels - 1):
        condition = {"type": "not", "cond": condition}
    steps = [{"stmt": {"sql": "SELECT 1"}, "condition": condition}]
    return {"requests": [{"type": "batch", "batch": {"steps": steps}}]}


@pytest.mark.parametrize(("levels", "status"), [(50, 200), (51, 400), (90, 400), (400, 400)])
def test_conditions_are_nested_50_levels_deep_at_most(
    client: Client, levels: int, status: int
) -> None:
    answered, body = client.send("/v3/pipeline", nested(levels))

    assert answered == status
    assert status == 200 or "deep" in body["message"] or "recursion limit" in body["message"]


LOOKS_AHEAD = [
    {"type": "ok", "step": 1},
    {"type": "error", "step": 1},
    {"type": "ok", "step": -1},
    {"type": "not", "cond": {"type": "ok", "step": 2}},
    {"type": "and", "conds": [{"type": "ok", "step": 0}, {"type": "ok", "step": 1}]},
]


@pytest.mark.parametrize("condition", LOOKS_AHEAD, ids=str)
def test_a_condition_looks_only_at_steps_before_its_own(condition: Any) -> None:
    steps = Batch.model_validate(batch(step("SELECT 0"), step("SELECT 1", condition), step("x")))

    with pytest.raises(RequestRefused, match="it can look at the steps before it"):
        check(steps)


def test_a_batch_that_is_refused_runs_no_step(client: Client) -> None:
    steps = batch(step("CREATE TABLE t (n)"), step("SELECT 1", {"type": "ok", "step": 1}))

    status, _body = client.send("/v1/batch", {"batch": steps})

    assert status == 400
    assert "no such table" in client.stream().refused("SELECT * FROM t")["message"]
