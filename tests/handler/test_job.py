"""A request as a job: its limits, and what makes two requests with one key the same."""

from pathlib import Path
from typing import Any

import pytest

from events.request import QueryEvent, parse
from handler.job import job_of
from handler.settings import Settings
from sqlexec.statement import Statement

SETTINGS = Settings(Path("/databases"), rows_max=7, result_bytes_max=700, timeout_ms=1_500)
KEYED: dict[str, Any] = {"query": "SELECT ?", "parameters": [1], "idempotency_key": "k"}


def event(**fields: Any) -> QueryEvent:
    parsed = parse(fields)
    assert isinstance(parsed, QueryEvent)
    return parsed


def fingerprint(**fields: Any) -> bytes:
    key = job_of(event(**{**KEYED, **fields}), SETTINGS).key
    assert key is not None
    assert key.fingerprint is not None
    return key.fingerprint


def test_a_query_is_one_statement_and_statements_are_several() -> None:
    assert job_of(event(query="a", parameters=[1]), SETTINGS).statements == (Statement("a", [1]),)
    several = event(statements=[{"query": "a"}, {"query": "b", "parameter_sets": [[1]]}])
    assert job_of(several, SETTINGS).statements == (Statement("a"), Statement("b", None, [[1]]))


def test_limits_are_those_of_the_settings_unless_the_request_asks_for_less() -> None:
    limits = job_of(event(query="a"), SETTINGS).limits
    assert (limits.rows_max, limits.bytes_max) == (7, 700)
    assert (limits.timeout_s, limits.truncate_rows) == (1.5, None)

    limits = job_of(event(query="a", rows_max=2, timeout_ms=20), SETTINGS).limits
    assert (limits.rows_max, limits.timeout_s, limits.truncate_rows) == (7, 0.02, 2)


@pytest.mark.parametrize(
    "changed",
    [
        {"query": "SELECT ?1"},
        {"parameters": [2]},
        {"parameters": ["1"]},
        {"parameters": None},
        {"rows_as": "objects"},
        {"rows_max": 5},
        {"parameters": None, "parameter_sets": [[1]]},
        {"parameters": None, "parameter_sets": []},
    ],
    ids=str,
)
def test_a_request_that_asks_for_something_else_is_another_one(changed: dict[str, Any]) -> None:
    assert fingerprint(**changed) != fingerprint()


@pytest.mark.parametrize(
    "changed", [{"timeout_ms": 5}, {"database": "other"}, {"read_only": False}], ids=str
)
def test_a_repeat_with_more_time_is_the_same_request(changed: dict[str, Any]) -> None:
    assert fingerprint(**changed) == fingerprint()


def test_named_values_are_the_same_in_any_order() -> None:
    assert fingerprint(parameters={"a": 1, "b": 2}) == fingerprint(parameters={"b": 2, "a": 1})


def test_a_message_without_a_key_has_its_own_and_nothing_to_answer() -> None:
    key = job_of(event(query="a"), SETTINGS, message_key="\tmessage:1").key
    assert key is not None
    assert (key.text, key.fingerprint) == ("\tmessage:1", None)

    keyed = job_of(event(**KEYED), SETTINGS, message_key="\tmessage:1").key
    assert keyed is not None
    assert keyed.text == "k"
    assert job_of(event(query="a"), SETTINGS).key is None
