"""The responses to the requests of a stream, as a pipeline and as a cursor have them."""

from typing import Any

import pytest

from hrana.protocol import Batch
from hrana.refusals import RequestRefused
from hrana.responses import entries_of, steps_of
from tests.hrana.client import Client, batch, execute, results, step

RESULT: dict[str, Any] = {
    "cols": [{"name": "n", "decltype": None}],
    "rows": [[1], [2]],
    "affected_row_count": 0,
    "last_insert_rowid": None,
}


def test_a_step_of_a_cursor_is_its_columns_its_rows_and_its_counts() -> None:
    assert entries_of(3, RESULT, None) == [
        {"type": "step_begin", "step": 3, "cols": RESULT["cols"]},
        {"type": "row", "row": [1]},
        {"type": "row", "row": [2]},
        {"type": "step_end", "affected_row_count": 0, "last_insert_rowid": None},
    ]


def test_a_step_that_failed_is_its_error_and_one_that_was_skipped_is_nothing() -> None:
    error = {"message": "no", "code": "SQLITE_ERROR"}

    assert entries_of(3, None, error) == [{"type": "step_error", "step": 3, "error": error}]
    assert entries_of(3, None, None) == []


def test_conditions_are_checked_before_a_stream_is_there() -> None:
    steps = batch(step("SELECT 1", {"type": "ok", "step": 0}))

    with pytest.raises(RequestRefused):
        steps_of(Batch.model_validate(steps))


def test_each_kind_of_request_has_a_response_of_its_type(client: Client) -> None:
    requests: list[dict[str, Any]] = [
        execute("SELECT 1"),
        {"type": "batch", "batch": batch(step("SELECT 1"))},
        {"type": "describe", "sql": "SELECT 1"},
        {"type": "get_autocommit"},
        {"type": "sequence", "sql": "SELECT 1"},
        {"type": "store_sql", "sql_id": 1, "sql": "SELECT 1"},
        {"type": "close_sql", "sql_id": 1},
    ]

    answers = results(client, *requests)

    assert [one["response"]["type"] for one in answers] == [one["type"] for one in requests]
    assert [sorted(one["response"]) for one in answers] == [
        *[["result", "type"]] * 3,
        ["is_autocommit", "type"],
        *[["type"]] * 3,
    ]
