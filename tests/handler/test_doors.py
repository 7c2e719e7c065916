"""The way an event came is told by its envelope, which only AWS puts around it."""

from typing import Any

import pytest

from handler.query import Door, door_of

EVENTS: list[tuple[Any, Door]] = [
    ({"query": "SELECT 1"}, Door.DIRECT),
    ({}, Door.DIRECT),
    (None, Door.DIRECT),
    ([{"Records": []}], Door.DIRECT),
    ("requestContext", Door.DIRECT),
    ({"source": "my.own"}, Door.DIRECT),
    ({"requestContext": {"http": {"method": "GET"}}}, Door.HTTP),
    ({"Records": [{"eventSource": "aws:sqs"}]}, Door.SQS),
    ({"source": "aws.events", "detail-type": "Scheduled Event"}, Door.SCHEDULE),
]


@pytest.mark.parametrize(("event", "door"), EVENTS)
def test_an_event_has_the_door_of_its_envelope(event: Any, door: Door) -> None:
    assert door_of(event) is door
