"""A request that is one for the node that leads: sent there as it came, and its answer back."""

import base64
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from events import http
from handler.record import Record
from handler.service import Service
from sqlatch.kernel.aws.answer import OK, Answer
from sqlatch.kernel.aws.errors import NotConnected, Unavailable
from sqlatch.kernel.aws.signature import Request
from sqlatch.kernel.errors import BadEvent, LeaderUnreachable, error_of
from storage.engine import Position

HOPS = "sqlatch-hops"
"""The number of nodes that have sent a request on."""
HOPS_MAX = 3

BEARER = "bearer "
"""The beginning of an authorization that is the caller's at every node."""

ANSWER_S = 1.0
"""The time beyond its own that a request may take, on its way and behind its deadline."""

SENT_ON = frozenset(
    {
        "accept-encoding",
        "authorization",
        "content-type",
        "idempotency-key",
        "if-none-match",
        "sqlatch-at-least",
    }
)
"""The headers that belong to the request, and not to the connection that it came over."""

SENT_BACK = frozenset(
    {"cache-control", "content-encoding", "content-type", "etag", "retry-after", "sqlatch-position",
     "vary", "www-authenticate"}
)  # fmt: skip


def http_request(
    service: Service, event: Mapping[str, Any], record: Record, *, ends_at_s: float
) -> dict[str, Any]:
    """Return the answer of the leader to a request that came over HTTP."""
    headers = http.headers_of(event)
    method, path = http.route(event)
    sent = {name: value for name, value in headers.items() if name in SENT_ON}
    if not sent.get("authorization", "").lower().startswith(BEARER):
        sent.pop("authorization", None)  # a signature is one for this node
    body = _body(event)
    try:
        answer = _asked(
            service,
            Request(method, path, str(event.get("rawQueryString", "")), sent, body),
            hops=_hops(headers),
            ends_at_s=_answered_by_s(service, body, ends_at_s),
        )
    except LeaderUnreachable as error:
        record.note(error)
        return _wrapped_error(error, record)
    _note(service, record, answer)
    return {
        "statusCode": answer.status,
        "headers": {name: value for name, value in answer.headers.items() if name in SENT_BACK},
        "body": base64.b64encode(answer.body).decode("ascii"),
        "isBase64Encoded": True,
    }


def _hops(headers: Mapping[str, str]) -> int:
    """Return how many nodes have sent the request on; what is no number is as good as too many."""
    try:
        return int(headers.get(HOPS, "0"))
    except ValueError:
        return HOPS_MAX


def _wrapped_error(error: LeaderUnreachable, record: Record) -> dict[str, Any]:
    from handler import streams

    if record.door == streams.DOOR:
        return streams.wrap_error(error)
    return http.wrap_error(error)


def direct(
    service: Service, event: Mapping[str, Any], record: Record, *, ends_at_s: float
) -> dict[str, Any]:
    """Return the reply of the leader to a request that was invoked directly, or raise its error."""
    headers = {"content-type": "application/json"}
    path, content = "/query", event
    if "pipeline" in event:
        path, content = f"/{event['database']}/v3/pipeline", event["pipeline"]
        if (key := event.get("idempotency_key")) is not None:
            headers["idempotency-key"] = str(key)
    body = json.dumps(content).encode()
    answer = _asked(
        service,
        Request("POST", path, "", headers, body),
        hops=0,
        ends_at_s=_answered_by_s(service, body, ends_at_s),
    )
    _note(service, record, answer)
    return _reply_in(service, answer)


def _reply_in(service: Service, answer: Answer) -> dict[str, Any]:
    """Return the reply in an answer of the leader, or raise the error that it tells of."""
    try:
        said: dict[str, Any] = json.loads(answer.body)
        if answer.status == OK:
            return said
        told = said.get("error", said)
        error = error_of(told)
    except (ValueError, AttributeError):
        told, error = {}, None
    if error is None and "code" in told:  # one of libSQL's protocol
        error = BadEvent(str(told.get("message")), refusal=str(told["code"]))
    if error is None:
        error = LeaderUnreachable(
            f"the node that leads answered with HTTP {answer.status}, not as the service does",
            leader=service.leader.url,
            outcome="unknown",
        )
    raise error


def _asked(service: Service, request: Request, *, hops: int, ends_at_s: float) -> Answer:
    """Return the leader's answer to a request that is sent once.

    Were one with a key sent again, over a kept connection that ended, a refusal of the second would
    say that nothing was written, which is not known of the first.
    """
    leader = service.leader
    if hops >= HOPS_MAX:
        raise LeaderUnreachable(
            f"{hops} nodes have sent the request on, and none of them leads: which one does?",
            leader=leader.url,
            outcome="nothing",
        )
    request.headers[HOPS] = str(hops + 1)  # type: ignore[index]
    try:
        return leader.ask(
            request,
            deadline_s=ends_at_s,
            silence_s=ends_at_s - service.clock.now(),
            may_repeat=False,
        )
    except Unavailable as error:
        outcome = "nothing" if isinstance(error, NotConnected) else "unknown"
        raise LeaderUnreachable(
            f"the node that leads, {leader.url}, does not answer: {error}",
            leader=leader.url,
            outcome=outcome,
        ) from error


def _answered_by_s(service: Service, body: bytes, ends_at_s: float) -> float:
    """Return when a leader by lease has answered, unless it is frozen: then another takes over."""
    if service.settings.cluster is None:
        return ends_at_s
    timeout_ms = None
    with suppress(ValueError, AttributeError):
        timeout_ms = json.loads(body).get("timeout_ms")
    if not isinstance(timeout_ms, int):
        timeout_ms = None
    return min(ends_at_s, service.deadline_s(timeout_ms, ends_at_s) + ANSWER_S)


def _note(service: Service, record: Record, answer: Answer) -> None:
    record.kind = "forward"
    position = answer.headers.get("sqlatch-position")
    if position is not None:
        record.position = position
        if record.database:
            service.databases.saw(record.database, Position(int(position, 16)))


def _body(event: Mapping[str, Any]) -> bytes:
    body = str(event.get("body") or "")
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
