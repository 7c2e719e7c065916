"""The door of an event, recognised by fields that only AWS writes."""

from collections.abc import Mapping
from enum import Enum


class Door(Enum):
    """The way an event came."""

    DIRECT = "direct"
    HTTP = "http"
    SQS = "sqs"
    SCHEDULE = "schedule"


def door_of(event: object) -> Door:
    """The door of an event; what has no envelope of AWS is a direct invoke."""
    if not isinstance(event, Mapping):
        return Door.DIRECT
    if "requestContext" in event:
        return Door.HTTP
    if "Records" in event:
        return Door.SQS
    if event.get("source") == "aws.events":
        return Door.SCHEDULE
    return Door.DIRECT
