"""A batch of a queue: each message a request or the reason why it is none."""

import json
from typing import Any

import pytest

from events import sqs
from events.request import QueryEvent
from sqlatch.kernel.errors import BadEvent


def record(body: str, *, message_id: str = "m1", **attributes: str) -> dict[str, Any]:
    return {"messageId": message_id, "body": body, "attributes": attributes}


def test_messages_come_in_their_order_with_their_groups() -> None:
    first = record(json.dumps({"query": "a"}), MessageGroupId="g")
    second = record(json.dumps({"query": "b", "database": "other"}), message_id="m2")

    messages = sqs.unwrap({"Records": [first, second]})

    assert messages == [
        sqs.Message("m1", "g", QueryEvent(query="a")),
        sqs.Message("m2", None, QueryEvent(query="b", database="other")),
    ]


def test_the_key_of_a_message_is_none_that_a_caller_could_give() -> None:
    (message,) = sqs.unwrap({"Records": [record(json.dumps({"query": "a"}))]})

    assert message.key == "\tmessage:m1"
    assert not message.key.isprintable()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("{", "not JSON"),
        ("[]", "dict"),
        ('{"query": "a", "parameters": [NaN]}', "not JSON"),
        ('{"health": true}', "cannot ask for health"),
        ('{"qeury": "a"}', "did you mean query"),
    ],
)
def test_a_body_that_is_no_query_fails_only_its_own_message(body: str, why: str) -> None:
    good = record('{"query": "a"}', message_id="m2")

    bad, other = sqs.unwrap({"Records": [record(body), good]})

    assert isinstance(bad.request, BadEvent)
    assert why in bad.request.message
    assert other.request == QueryEvent(query="a")


@pytest.mark.parametrize(
    "event", [{}, {"Records": None}, {"Records": [7]}, {"Records": [{"body": "{}"}]}]
)
def test_what_is_no_batch_is_a_bad_event(event: dict[str, Any]) -> None:
    with pytest.raises(BadEvent) as refused:
        sqs.unwrap(event)

    assert refused.value.facts["field"] == "Records"


def test_the_answer_names_the_messages_that_failed() -> None:
    assert sqs.wrap([]) == {"batchItemFailures": []}
    assert sqs.wrap(["m2"]) == {"batchItemFailures": [{"itemIdentifier": "m2"}]}
