"""A request as callers write it. tests/handler/test_bad_input.py sends bad ones to the handler."""

from typing import Any

import pytest

from events.fields import TIMEOUT_MS_MAX
from events.request import (
    PARAMETER_SETS_MAX,
    SQL_CHARACTERS_MAX,
    STATEMENTS_MAX,
    QueryEvent,
    StatementEvent,
    parse,
)
from events.whole import HealthEvent
from sqlatch.kernel.errors import BadEvent


def refusal(event: Any) -> tuple[str | None, str]:
    with pytest.raises(BadEvent) as refused:
        parse(event)
    field = refused.value.facts["field"]
    assert field is None or isinstance(field, str)
    return field, refused.value.message


def test_a_query_alone_is_for_main_and_has_the_defaults_of_the_contract() -> None:
    assert parse({"query": "SELECT 1"}) == QueryEvent(
        query="SELECT 1", database="main", read_only=False, rows_as="arrays"
    )


def test_every_field_is_kept_and_values_are_made_of_json() -> None:
    given: dict[str, Any] = {
        "query": "SELECT :a",
        "parameters": {"a": {"base64": "AP8="}},
        "database": "a-b_c",
        "read_only": True,
        "idempotency_key": "k",
        "rows_as": "objects",
        "rows_max": 10,
        "timeout_ms": TIMEOUT_MS_MAX,
        "at_least": "00000000000000ff",
        "max_age_ms": 1000,
    }

    assert parse(given) == QueryEvent(**{**given, "parameters": {"a": b"\0\xff"}, "at_least": 255})


def test_several_statements_have_parameters_of_their_own() -> None:
    event = {"statements": [{"query": "a", "parameters": [1]}, {"query": "b"}]}

    assert parse(event) == QueryEvent(
        statements=(StatementEvent("a", [1]), StatementEvent("b")),
    )


def test_health_is_asked_by_itself() -> None:
    assert parse({"health": True}) == HealthEvent(health=True)
    assert refusal({"health": False})[0] == "health"
    assert refusal({"health": True, "query": "x"})[0] == "query"


LONGEST = "x" * SQL_CHARACTERS_MAX


def test_a_request_may_be_as_large_as_its_limits() -> None:
    assert parse({"query": LONGEST})
    assert parse({"statements": [{"query": "x"}] * STATEMENTS_MAX})
    assert parse({"query": "x", "parameter_sets": [[]] * PARAMETER_SETS_MAX})
    assert parse({"query": "x", "idempotency_key": "k" * 255, "database": "d" * 63})


@pytest.mark.parametrize(
    ("event", "field", "says"),
    [
        ({"query": LONGEST + "x"}, "query", "the limit is 1,000,000"),
        ({"statements": [{"query": "x"}] * (STATEMENTS_MAX + 1)}, "statements", "1,001 items"),
        (
            {"query": "x", "parameter_sets": [[]] * (PARAMETER_SETS_MAX + 1)},
            "parameter_sets",
            "1,000,001 sets, the limit is 1,000,000",
        ),
        ({"query": "x", "timeout_ms": TIMEOUT_MS_MAX + 1}, "timeout_ms", "900000"),
        ({"query": "x", "timeout_ms": 0}, "timeout_ms", "1"),
        ({"query": "x", "idempotency_key": "k" * 256}, "idempotency_key", "255"),
        ({"query": "x", "idempotency_key": "a\tb"}, "idempotency_key", "cannot be printed"),
        ({"query": "x", "database": "d" * 64}, "database", "63 characters"),
        ({"query": "x", "database": "a\n"}, "database", "not the name of a database"),
        ({"query": "x\0"}, "query", "NUL"),
        ({"query": "x", "statements": []}, "statements", "1 item"),
        ({}, None, "exactly one of"),
        ({"query": "x", "statements": [{"query": "y"}]}, None, "exactly one of"),
        ({"statements": [{"query": "y"}], "parameters": []}, None, "within `statements`"),
        ({"query": "x", "parameters": [], "parameter_sets": []}, None, "not both"),
        ({"query": "x", "sql": "y"}, "sql", "did you mean query?"),
        ({"statements": [{"query": "x", "values": []}]}, "statements.0.values", "parameters?"),
        ([], None, "dict"),
        ({"query": "x", "at_least": 5}, "at_least", "valid string"),
        ({"query": "x", "at_least": "5"}, "at_least", "16 digits"),
        ({"query": "x", "at_least": "00000000000000FF"}, "at_least", "16 digits"),
        ({"query": "x", "at_least": "0" * 16 + "\n"}, "at_least", "16 digits"),
        ({"query": "x", "max_age_ms": -1}, "max_age_ms", "greater than or equal to 0"),
        ({"query": "x", "max_age_ms": 86_400_001}, "max_age_ms", "86400000"),
    ],
    ids=range(24),
)
def test_what_is_wrong_is_named_with_the_limit_or_the_next_step(
    event: Any, field: str | None, says: str
) -> None:
    named, message = refusal(event)

    assert named == field
    assert says in message


def test_a_few_of_many_problems_are_shown() -> None:
    _field, message = refusal({"query": "x", **{f"field{number}": 1 for number in range(9)}})

    assert message.count("is not a field of a request") == 5
