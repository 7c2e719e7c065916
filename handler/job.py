"""Between the contract and the execution: a request as a job, and results as a reply."""

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache, partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast

from pydantic_core import to_json

from events.reply import CostReply, ReplyForm, encoded, linked_out, result_out, rows_out
from events.request import QueryEvent
from handler.settings import Settings
from sqlatch.kernel.errors import BadEvent
from sqlatch.kernel.values import Parameters
from sqlexec.statement import Encoder, EncodeRows, IdempotencyKey, Job, Limits, Result, Statement
from storage.engine import NEWEST, Freshness, Moment, Position
from storage.tally import RAN, Ran

if TYPE_CHECKING:
    from datetime import datetime

PAGES = (
    'read it in pages: send `"page": "first"` with the request, then `page.next` of each reply'
    " (Client.iterate, `sqlatch export`); or ask for fewer rows with rows_max or LIMIT"
)
"""The next step of a caller whose result is too large."""

OR_A_LINK = f"""{PAGES}; or send `"link": "csv"` (or "jsonl") for a link to a file with all of it"""
"""The same where the service keeps results in a bucket."""

KINDS_KEPT = 64
"""Sets of limits that are kept: most requests have one of a few."""


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
    limits = _limits(
        settings.rows_max, settings.result_bytes_max, event.timeout_ms or settings.timeout_ms,
        event.rows_max, OR_A_LINK if settings.results else PAGES,
    )  # fmt: skip
    encoder = Encoder(_encode_rows(event.rows_as, form), partial(_kept_reply, event, form))
    key = None
    if event.idempotency_key is not None:
        key = IdempotencyKey(event.idempotency_key, _fingerprint(event, statements))
    elif message_key is not None:
        key = IdempotencyKey(message_key, None)
    return Job(
        statements,
        limits,
        encoder,
        key,
        group,
        NEWEST
        if event.at_least is None and event.max_age_ms is None and event.at is None
        else freshness_of(event.at_least, event.max_age_ms, settings, at=event.at),
    )


def reply_of(event: QueryEvent, results: list[Result]) -> dict[str, Any]:
    """The reply to a request, but for its `meta`."""
    if event.link is not None:
        replies = [linked_out(results[0])]
    else:
        as_objects = event.rows_as == "objects"
        replies = [
            cast("dict[str, Any]", result_out(one, as_objects=as_objects)) for one in results
        ]
    if event.costs:
        for reply, cost in zip(replies, _costs(event), strict=True):
            reply["cost"] = cost
    return {"results": replies} if event.statements is not None else replies[0]


def _costs(event: QueryEvent) -> list[CostReply | None]:
    """Return what each statement has cost: of all that has run an earlier attempt came first."""
    sets = [one.parameter_sets for one in event.statements or [event]]
    are_run = [one is None or len(one) > 0 for one in sets]
    ran = RAN.get() or []
    runs = iter(ran[-sum(are_run) :] if any(are_run) else [])
    return [_cost(next(runs, None)) if is_run else None for is_run in are_run]


def _cost(ran: Ran | None) -> CostReply | None:
    if ran is None:
        return None
    _sql, sets, took_s, scanned = ran
    duration_ms = round(took_s * 1000, 3)
    return {"duration_ms": duration_ms, "rows_scanned": scanned if sets == 1 else None}


def freshness_of(
    at_least: int | None,
    max_age_ms: int | None,
    settings: Settings,
    at: "int | datetime | None" = None,
) -> Freshness:
    """Return which states a request may see; BadEvent if there are no positions."""
    if at is not None:
        return Freshness(at=moment_of(at, settings))
    if at_least is None and max_age_ms is None:
        return NEWEST
    if at_least is not None and not settings.log:
        raise BadEvent(
            "at_least is a position in a log (SQLATCH_LOG), and here databases are files, which"
            " are always read at their newest state: leave it out",
            field="at_least",
        )
    position = None if at_least is None else Position(at_least)
    return Freshness(position, None if max_age_ms is None else max_age_ms / 1000)


def moment_of(at: "int | datetime", settings: Settings) -> Moment:
    """Return the moment that a request names; BadEvent if there is no history."""
    if not settings.log:
        raise BadEvent(
            "at is a moment in a log (SQLATCH_LOG), and here databases are files, which have no"
            " history: leave it out",
            field="at",
        )
    if isinstance(at, int):
        return Moment(Position(at))
    return Moment(at_ms=int(at.timestamp() * 1000))


@lru_cache(maxsize=KINDS_KEPT)
def _limits(
    rows_max: int, bytes_max: int, timeout_ms: int, truncate_rows: int | None, all_rows_with: str
) -> Limits:
    return Limits(
        rows_max, bytes_max, timeout_ms / 1000, truncate_rows, all_rows_with=all_rows_with
    )


@cache
def _encode_rows(rows_as: str, form: ReplyForm) -> EncodeRows:
    return partial(rows_out, as_objects=rows_as == "objects", form=form)


def _kept_reply(event: QueryEvent, form: ReplyForm, results: list[Result]) -> str:
    """Return the reply that a repeat of the request gets back."""
    encode = to_json if form is ReplyForm.OBJECTS else encoded
    return encode(reply_of(event, results)).decode()


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
