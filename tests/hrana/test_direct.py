"""A pipeline that is invoked directly, as an event."""

from typing import Any

import pytest

from hrana.direct import PipelineEvent, body_of, parse_event
from sqlatch.kernel.errors import BadEvent

PIPELINE: dict[str, Any] = {"requests": [{"type": "close"}]}


def test_an_event_has_a_pipeline_and_the_fields_of_the_contract() -> None:
    assert parse_event({"pipeline": PIPELINE}) == PipelineEvent(PIPELINE, "main", None)
    event = {"pipeline": PIPELINE, "database": "orders", "idempotency_key": "k"}
    assert parse_event(event) == PipelineEvent(PIPELINE, "orders", "k")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"pipeline": []}, "pipeline"),
        ({"database": "../main"}, "database"),
        ({"idempotency_key": "a\tb"}, "idempotency_key"),
        ({"idempotency_key": ""}, "idempotency_key"),
        ({"query": "SELECT 1"}, "query"),
    ],
)
def test_a_field_that_is_wrong_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(BadEvent) as refused:
        parse_event({"pipeline": PIPELINE, **changes})

    assert refused.value.facts["field"] == field


def test_the_body_is_the_pipeline_as_json() -> None:
    assert body_of(PipelineEvent(PIPELINE)) == b'{"requests":[{"type":"close"}]}'


def test_a_text_that_is_not_unicode_cannot_be_sent() -> None:
    with pytest.raises(BadEvent, match="cannot be sent as JSON"):
        body_of(PipelineEvent({"requests": ["\ud800"]}))
