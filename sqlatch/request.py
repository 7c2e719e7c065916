"""A request as a client sends it: the fields of a read, of a write and of a batch."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlatch.attempts import Attempts
from sqlatch.errors import SqlatchError
from sqlatch.failures import NOTHING
from sqlatch.kernel.values import Parameters
from sqlatch.statement import Statement, statement_of


def read(
    query: str,
    parameters: Parameters | None,
    *,
    rows_max: int | None,
    at_least: str | None,
    max_age_ms: int | None,
    page: str | None = None,
    at: str | datetime | None = None,
    link: str | None = None,
) -> dict[str, Any]:
    """Return the fields of a request that reads: a page of its result, or a link to all of it."""
    fields = Statement(query, parameters).fields()
    if rows_max is not None:
        fields["rows_max"] = rows_max
    if page is not None:
        fields["page"] = page
    if link is not None:
        fields["link"] = link
    return fields | _moment(at) | _freshness(at_least, max_age_ms) | {"read_only": True}


def write(
    query: str,
    parameters: Parameters | None,
    *,
    idempotency_key: str | None,
    at_least: str | None,
) -> dict[str, Any]:
    """Return the fields of a request with one statement that may write."""
    fields = Statement(query, parameters).fields()
    return fields | _freshness(at_least, None) | _key(idempotency_key)


def batch(
    statements: Iterable[Statement | str | tuple[str, Parameters]],
    *,
    read_only: bool,
    idempotency_key: str | None,
    at_least: str | None,
    max_age_ms: int | None,
    at: str | datetime | None,
) -> dict[str, Any]:
    """Return the fields of a request with several statements."""
    fields: dict[str, Any] = {"statements": [statement_of(given).fields() for given in statements]}
    fields |= {"read_only": True} if read_only else _key(idempotency_key)
    return fields | _moment(at) | _freshness(at_least, max_age_ms)


def deletion(if_state: str | None) -> dict[str, Any]:
    """Return the fields of a request that deletes the database."""
    return {"manage": "delete"} | ({} if if_state is None else {"if_state": if_state})


def undeletion(kept: str) -> dict[str, Any]:
    """Return the fields of a request that brings a deleted database back."""
    return {"manage": "undelete", "kept": kept}


def history(before: str | None, most: int) -> dict[str, Any]:
    """Return the fields of a question for the states that can be read."""
    return {"history": True, "most": most} | ({} if before is None else {"before": before})


def branch(to: str, at: str | datetime | None) -> dict[str, Any]:
    """Return the fields of a request that makes another database of a state."""
    return {"branch": to} | _moment(at)


def leader() -> dict[str, Any]:
    """Return the question which node leads."""
    return {"leader": "show"}


def leader_moved(to: str | None) -> dict[str, Any]:
    """Return the order that another node shall lead."""
    return {"leader": "move"} | ({} if to is None else {"to": to})


def event(fields: Mapping[str, Any], *, database: str, attempts: Attempts) -> dict[str, Any]:
    """Return the event of a request: with the database, and the time that it may take."""
    return {**fields, "database": database, "timeout_ms": attempts.execution_ms}


REPEATABLE = {"read_only", "idempotency_key", "history"}
"""The fields of requests of which each may be sent twice."""


def is_repeatable(event: Mapping[str, Any]) -> bool:
    """Return whether doing it twice does no harm."""
    return not event.keys().isdisjoint(REPEATABLE)


@contextmanager
def refused() -> Iterator[None]:
    """Say of what the service refuses that it left nothing behind, unless the error says more."""
    try:
        yield
    except SqlatchError as error:
        error.facts.setdefault("outcome", NOTHING)
        raise


def _freshness(at_least: str | None, max_age_ms: int | None) -> dict[str, Any]:
    given = {"at_least": at_least, "max_age_ms": max_age_ms}
    return {name: value for name, value in given.items() if value is not None}


def _moment(at: str | datetime | None) -> dict[str, Any]:
    if at is None:
        return {}
    return {"at": at if isinstance(at, str) else at.isoformat()}


def _key(given: str | None) -> dict[str, Any]:
    return {"idempotency_key": given or str(uuid4())}
