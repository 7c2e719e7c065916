"""The SQS door: a batch of messages, each body a request; the answer names those that failed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from pydantic_core import from_json

from events.request import QueryEvent, parse
from events.whole import HealthEvent
from sqlatch.kernel.errors import BadEvent

KEY_PREFIX = "\tmessage:"
"""Before a messageId used as idempotency key. A caller's own key holds no control character."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `request` is the error if its body is no query. `group` is a FIFO queue's."""

    message_id: str
    group: str | None
    request: QueryEvent | BadEvent

    @property
    def key(self) -> str:
        """The key under which a redelivery of this message is known."""
        return KEY_PREFIX + self.message_id


def unwrap(event: Mapping[str, Any]) -> list[Message]:
    """The messages of a batch, in its order."""
    try:
        return [_message(record) for record in event["Records"]]
    except (KeyError, TypeError) as error:
        raise BadEvent(f"not a batch of SQS messages: {error!r}", field="Records") from error


def wrap(failed: Iterable[str]) -> dict[str, list[dict[str, str]]]:
    """The answer that has SQS deliver the failed messages again, and only those."""
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _message(record: object) -> Message:
    if not isinstance(record, Mapping):
        raise TypeError("a record is an object")
    attributes = record.get("attributes")
    group = attributes.get("MessageGroupId") if isinstance(attributes, Mapping) else None
    return Message(
        str(record["messageId"]), None if group is None else str(group), _request(record)
    )


def _request(record: Mapping[str, Any]) -> QueryEvent | BadEvent:
    try:
        request = parse(from_json(record["body"], allow_inf_nan=False))
    except BadEvent as error:
        return error
    except (TypeError, ValueError) as error:
        return BadEvent(f"the body is not JSON: {error}", field="body")
    if isinstance(request, HealthEvent):
        return BadEvent("a queue cannot ask for health: nobody reads the answer", field="health")
    if not isinstance(request, QueryEvent):
        kind = fields(request)[0].name
        return BadEvent(f"a queue takes no {kind!r}: nobody reads the answer", field=kind)
    return request
