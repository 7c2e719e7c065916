"""Between the contract and the execution: a request as a job, and results as a reply."""

from collections.abc import Mapping, Sequence
from functools import partial
from hashlib import sha256
from typing import Any

from pydantic_core import to_json

from events.reply import ReplyForm, ResultReply, encoded, result_out, rows_out
from events.request import QueryEvent
from handler.settings import Settings
from sqlatch.kernel.values import Parameters
from sqlexec.statement import Encoder, IdempotencyKey, Job, Limits, Result, Statement


def job_of(
    event: QueryEvent,
    settings: Settings,
    *,
    form: ReplyForm = ReplyForm.OBJECTS,
    message_key: str | None = None,
    group: str | None = None,
) -> Job:
    """Return the job of a request; `message_key` is used where the request has no key."""
    if event.statements is None:
        statements: tuple[Statement, ...] = (
            Statement(event.query or "", event.parameters, event.parameter_sets),
        )
    else:
        statements = tuple(
            Statement(one.query, one.parameters, one.parameter_sets) for one in event.statements
        )
    limits = Limits(
        rows_max=settings.rows_max,
        bytes_max=settings.result_bytes_max,
        timeout_s=(event.timeout_ms or settings.timeout_ms) / 1000,
        truncate_rows=event.rows_max,
        fewer_rows_with="rows_max or LIMIT",
    )
    encoder = Encoder(
        rows=partial(rows_out, as_objects=event.rows_as == "objects", form=form),
        reply=partial(_kept_reply, event, form),
    )
    return Job(statements, limits, encoder, _key(event, statements, message_key), group)


def reply_of(event: QueryEvent, results: list[Result]) -> dict[str, Any]:
    """The reply to a request, but for its `meta`."""
    replies = [_result(event, result) for result in results]
    return {"results": replies} if event.statements is not None else {**replies[0]}


def _result(event: QueryEvent, result: Result) -> ResultReply:
    return result_out(
        result.columns,
        result.rows,
        rows_affected=result.rows_affected,
        last_insert_rowid=result.last_insert_rowid,
        truncated=result.truncated,
        as_objects=event.rows_as == "objects",
    )


def _kept_reply(event: QueryEvent, form: ReplyForm, results: list[Result]) -> str:
    """Return the reply that a repeat of the request gets back."""
    encode = to_json if form is ReplyForm.OBJECTS else encoded
    return encode(reply_of(event, results)).decode()


def _key(
    event: QueryEvent, statements: tuple[Statement, ...], message_key: str | None
) -> IdempotencyKey | None:
    if event.idempotency_key is not None:
        return IdempotencyKey(event.idempotency_key, _fingerprint(event, statements))
    return None if message_key is None else IdempotencyKey(message_key, None)


def _fingerprint(event: QueryEvent, statements: tuple[Statement, ...]) -> bytes:
    """Return a digest that two requests share if they execute the same and want the same rows."""
    parts = [(one.sql, _ordered(one.parameters), _sets(one.parameter_sets)) for one in statements]
    return sha256(repr((parts, event.rows_as, event.rows_max)).encode()).digest()


def _sets(parameter_sets: Sequence[Parameters] | None) -> object:
    if parameter_sets is None:
        return []
    return [_ordered(each) for each in parameter_sets] or "run for no set"


def _ordered(parameters: Parameters | None) -> object:
    return sorted(parameters.items()) if isinstance(parameters, Mapping) else parameters
