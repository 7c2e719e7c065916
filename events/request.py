"""The request: a query event as callers write it, parsed into frozen models or refused."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from events.values import parameter_sets_in, parameters_in
from sqlatch.errors import BadEvent

STATEMENTS_MAX = 1_000
PARAMETER_SETS_MAX = 1_000_000
SQL_CHARACTERS_MAX = 1_000_000
TIMEOUT_MS_MAX = 900_000
ROWS_MAX = 1_000_000_000
PROBLEMS_SHOWN_MAX = 5


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds a NUL character")
    return text


def _without_controls(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds a character that cannot be printed")
    return text


def _not_too_many(sets: Sequence[Any] | None) -> Sequence[Any] | None:
    if sets is not None and len(sets) > PARAMETER_SETS_MAX:
        raise ValueError(f"has {len(sets)} sets, {PARAMETER_SETS_MAX} are taken")
    return sets


Sql = Annotated[
    str, Field(min_length=1, max_length=SQL_CHARACTERS_MAX), AfterValidator(_without_nul)
]
Parameters = Annotated[Any, BeforeValidator(parameters_in)]
ParameterSets = Annotated[Any, BeforeValidator(parameter_sets_in), AfterValidator(_not_too_many)]
DatabaseName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}\z")]
IdempotencyKey = Annotated[
    str, Field(min_length=1, max_length=255), AfterValidator(_without_controls)
]


class _Event(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class StatementEvent(_Event):
    """One statement; a list of values is for `?`, an object for `:name`, `@name` and `$name`."""

    query: Sql
    parameters: Parameters = None
    parameter_sets: ParameterSets = None

    @model_validator(mode="after")
    def _one_kind_of_parameters(self) -> Self:
        if self.parameters is not None and self.parameter_sets is not None:
            raise ValueError("give `parameters` or `parameter_sets`, not both")
        return self


class QueryEvent(_Event):
    """One request: exactly one of `query` and `statements`. `timeout_ms` is for the whole of it."""

    query: Sql | None = None
    parameters: Parameters = None
    parameter_sets: ParameterSets = None
    statements: (
        Annotated[
            tuple[StatementEvent, ...],
            Field(strict=False, min_length=1, max_length=STATEMENTS_MAX),
        ]
        | None
    ) = None
    database: DatabaseName = "main"
    read_only: bool = False
    idempotency_key: IdempotencyKey | None = None
    rows_as: Literal["arrays", "objects"] = "arrays"
    rows_max: Annotated[int, Field(ge=1, le=ROWS_MAX)] | None = None
    timeout_ms: Annotated[int, Field(ge=1, le=TIMEOUT_MS_MAX)] | None = None

    @model_validator(mode="after")
    def _one_kind_of_request(self) -> Self:
        if (self.query is None) == (self.statements is None):
            raise ValueError("give exactly one of `query` and `statements`")
        if self.query is None and (self.parameters, self.parameter_sets) != (None, None):
            raise ValueError("parameters stand beside the `query` that they are for")
        if self.parameters is not None and self.parameter_sets is not None:
            raise ValueError("give `parameters` or `parameter_sets`, not both")
        return self


class HealthEvent(_Event):
    """The question whether the service is well."""

    health: Literal[True]


class PipelineEvent(_Event):
    """A pipeline of the libSQL protocol, invoked directly."""

    pipeline: dict[str, Any]
    database: DatabaseName = "main"
    idempotency_key: IdempotencyKey | None = None


def parse_pipeline(event: object) -> PipelineEvent:
    """The pipeline in an event; BadEvent says which field is wrong, and why."""
    try:
        return PipelineEvent.model_validate(event)
    except ValidationError as error:
        raise _bad_event(error) from error


def parse(event: object) -> QueryEvent | HealthEvent:
    """The request in an event; BadEvent says which field is wrong, and why."""
    model = HealthEvent if isinstance(event, dict) and "health" in event else QueryEvent
    try:
        return model.model_validate(event)
    except ValidationError as error:
        raise _bad_event(error) from error


def _bad_event(error: ValidationError) -> BadEvent:
    problems = [(_place(problem["loc"]), _reason(problem)) for problem in error.errors()]
    shown = [f"{place}: {reason}" if place else reason for place, reason in problems]
    return BadEvent("; ".join(shown[:PROBLEMS_SHOWN_MAX]), field=problems[0][0] or None)


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location)


def _reason(problem: Any) -> str:
    if problem["type"] == "extra_forbidden":
        return "is no field of a request"
    reason = str(problem["msg"]).removeprefix("Value error, ")
    return reason if problem["type"] == "value_error" else reason[0].lower() + reason[1:]
