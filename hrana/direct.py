"""A pipeline that is invoked directly: the event, in the fields of the contract."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from events import schema
from events.fields import DATABASE
from events.request import KEY, bad_event
from sqlatch.kernel.errors import BadEvent


@dataclass(frozen=True, slots=True)
class PipelineEvent:
    """A pipeline, the database that it is for, and the name by which a repeat is recognised."""

    pipeline: Mapping[str, Any]
    database: str = "main"
    idempotency_key: str | None = None


_fields = schema.fields_parser(
    PipelineEvent,
    strict=True,
    pipeline=schema.mapping(),
    database=DATABASE,
    idempotency_key=KEY,
)


def parse_event(event: object) -> PipelineEvent:
    """Return the pipeline in an event; BadEvent says which field is wrong, and why."""
    try:
        return PipelineEvent(**_fields(event))
    except schema.ValidationError as error:
        raise bad_event(error, PipelineEvent) from error


def body_of(event: PipelineEvent) -> bytes:
    """Return the pipeline as the body of an HTTP request would hold it."""
    try:
        return to_json(event.pipeline)
    except ValueError as error:
        # Half a surrogate pair, or more levels than a parser of JSON takes.
        raise BadEvent(f"the pipeline cannot be sent as JSON: {error}", field="pipeline") from error
