"""The requests of clients, as leniently as the protocol has it: unknown fields are ignored."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

from hrana.refusals import RequestRefused

REQUESTS_MAX = 10_000
STEPS_MAX = 100_000
CONDITION_DEPTH_MAX = 50


def _without_nul(sql: str) -> str:
    at = sql.find("\0")
    if at >= 0:
        raise ValueError(f"SQL cannot hold a NUL character, and has one at offset {at}")
    return sql


Sql = Annotated[str, AfterValidator(_without_nul)]
SqlId = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class NamedArg(_Model):
    name: str
    value: Any


class Stmt(_Model):
    """One statement: its text, or the id of one that was stored.

    With `arg_sets`, which is ours and not the protocol's, it runs once for each of them. With
    `page`, which is ours too, its rows come in pages.
    """

    sql: Sql | None = None
    sql_id: SqlId | None = None
    args: list[Any] | None = None
    named_args: list[NamedArg] | None = None
    arg_sets: list[list[Any]] | None = None
    want_rows: bool | None = None
    page: str | None = None


class StepIs(_Model):
    type: Literal["ok", "error"]
    step: int


class Not(_Model):
    type: Literal["not"]
    cond: Cond


class Several(_Model):
    type: Literal["and", "or"]
    conds: list[Cond]


class IsAutocommit(_Model):
    type: Literal["is_autocommit"]


Cond = Annotated[StepIs | Not | Several | IsAutocommit, Field(discriminator="type")]


class Step(_Model):
    stmt: Stmt
    condition: Cond | None = None


class Batch(_Model):
    steps: Annotated[list[Step], Field(max_length=STEPS_MAX)]


class Execute(_Model):
    type: Literal["execute"]
    stmt: Stmt


class RunBatch(_Model):
    type: Literal["batch"]
    batch: Batch


class Sequence(_Model):
    type: Literal["sequence"]
    sql: Sql | None = None
    sql_id: SqlId | None = None


class Describe(_Model):
    type: Literal["describe"]
    sql: Sql | None = None
    sql_id: SqlId | None = None


class StoreSql(_Model):
    type: Literal["store_sql"]
    sql_id: SqlId
    sql: Sql


class CloseSql(_Model):
    type: Literal["close_sql"]
    sql_id: SqlId


class GetAutocommit(_Model):
    type: Literal["get_autocommit"]


class Close(_Model):
    type: Literal["close"]


StreamRequest = Annotated[
    Execute | RunBatch | Sequence | Describe | StoreSql | CloseSql | GetAutocommit | Close,
    Field(discriminator="type"),
]


class Pipeline(_Model):
    baton: str | None = None
    requests: Annotated[list[StreamRequest], Field(max_length=REQUESTS_MAX)]


class Cursor(_Model):
    baton: str | None = None
    batch: Batch


class ExecuteAlone(_Model):
    """The body of /v1/execute."""

    stmt: Stmt


class BatchAlone(_Model):
    """The body of /v1/batch."""

    batch: Batch


T = TypeVar("T", bound=BaseModel)


def parse(model: type[T], body: bytes) -> T:
    """A body as a model; RequestRefused names the place and what is wrong there."""
    try:
        return TypeAdapter(model).validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        where = f" at {place}" if place else ""
        raise RequestRefused(
            f"the body is not a valid request{where}: {first['msg'].removeprefix('Value error, ')}",
            "BAD_REQUEST",
        ) from error
    except RecursionError as error:
        raise too_deep() from error


def too_deep() -> RequestRefused:
    return RequestRefused(
        f"a condition is nested more than {CONDITION_DEPTH_MAX} levels deep: split it over several"
        " steps",
        "BAD_REQUEST",
    )
