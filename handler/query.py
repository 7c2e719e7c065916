"""The query function: an event in, through whichever door, a reply out."""

from enum import Enum
from typing import Any, Protocol

from events.request import QueryEvent, parse
from events.whole import BranchEvent, HealthEvent, HistoryEvent, LeaderEvent, ManageEvent
from handler.log import Logged
from handler.nodes.right import not_sent_on, right_of
from handler.record import Record
from handler.service import service
from sqlatch.kernel.errors import BadEvent, SqlatchError
from storage.nodes import ForLeader

REPLY_RESERVE_S = 0.5
"""Of an invocation's time, what is kept for commit, release and reply after the last statement."""


class Door(Enum):
    """The way an event came."""

    DIRECT = "direct"
    HTTP = "http"
    SQS = "sqs"
    SCHEDULE = "schedule"


class Context(Protocol):
    """Lambda's context object, as far as it is used."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int: ...


def lambda_handler(event: Any, context: Context) -> dict[str, Any]:
    """Answer an event. A direct caller gets an error raised, the other doors an answer."""
    door = door_of(event)
    with Logged(Record(function_request_id=context.aws_request_id, door=door.value)) as record:
        ends_at_s = service().clock.now() + (
            context.get_remaining_time_in_millis() / 1000 - REPLY_RESERVE_S
        )
        if door is Door.SQS:
            return _sqs(event, record, ends_at_s)
        if door is Door.SCHEDULE:
            raise BadEvent("a schedule calls the reaper, not the query function")
        answer = _http if door is Door.HTTP else _direct
        try:
            return answer(event, record, ends_at_s)
        except ForLeader:
            return _forwarded(event, door, record, ends_at_s)


def door_of(event: object) -> Door:
    """Return the door of an event, told by what only AWS puts into it.

    What has no envelope of AWS is a direct invoke.
    """
    if not isinstance(event, dict):
        return Door.DIRECT
    if "requestContext" in event:
        return Door.HTTP
    if "Records" in event:
        return Door.SQS
    if event.get("source") == "aws.events":
        return Door.SCHEDULE
    return Door.DIRECT


def _direct(event: Any, record: Record, ends_at_s: float) -> dict[str, Any]:
    try:
        if isinstance(event, dict) and "pipeline" in event:
            from handler import streams

            reply: dict[str, Any] = streams.answer_direct(
                service(), event, record, ends_at_s=ends_at_s
            )
            return reply
        request = parse(event)
        if isinstance(request, HealthEvent):
            return _health(record)
        if not isinstance(request, QueryEvent):
            return _about_a_database(request, record, ends_at_s)
        return service().answer(request, record, ends_at_s=ends_at_s)
    except SqlatchError as error:
        # Lambda tells a direct caller the class and the text of an error, and nothing else.
        raise error.told() from error.__cause__


def _forwarded(event: Any, door: Door, record: Record, ends_at_s: float) -> dict[str, Any]:
    """Return the answer of the node that leads."""
    from handler.nodes import forward

    if door is Door.HTTP:
        return forward.http_request(service(), event, record, ends_at_s=ends_at_s)
    try:
        return forward.direct(service(), event, record, ends_at_s=ends_at_s)
    except SqlatchError as error:
        raise error.told() from error.__cause__


def _health(record: Record) -> dict[str, Any]:
    from handler.health import health

    record.kind = "health"
    return health(service())


def _about_a_database(
    request: ManageEvent | HistoryEvent | BranchEvent | LeaderEvent,
    record: Record,
    ends_at_s: float,
) -> dict[str, Any]:
    """Return the reply to a request about a database as a whole, or about the leader."""
    if isinstance(request, LeaderEvent):
        from handler.nodes.moving import leader

        return leader(service(), request, record)
    if isinstance(request, ManageEvent):
        from handler.managing import manage

        return manage(service(), request, record, ends_at_s=ends_at_s)
    from handler import past

    if isinstance(request, HistoryEvent):
        return past.history(service(), request, record, ends_at_s=ends_at_s)
    return past.branch(service(), request, record, ends_at_s=ends_at_s)


def _http(event: Any, record: Record, ends_at_s: float) -> dict[str, Any]:
    from events import http
    from handler.permission import permission

    if (streamed := _streamed(event, record, ends_at_s)) is not None:
        return streamed
    try:
        permitted = permission(service(), event)
        call = http.unwrap(event)
        request = permitted(call.request)
        if isinstance(request, HealthEvent):
            health = _health(record)
            status = 503 if health["status"] == "degraded" else 200
            return http.wrap(health, status=status, accepts_gzip=call.accepts_gzip)
        if not isinstance(request, QueryEvent):
            reply = _about_a_database(request, record, ends_at_s)
            return http.wrap(reply, accepts_gzip=call.accepts_gzip)
        if call.may_be_kept:
            from handler.caching import answer

            return answer(service(), event, call, request, record, ends_at_s=ends_at_s)
        body = service().answer_encoded(
            request, record, ends_at_s=ends_at_s, in_text=not call.accepts_gzip
        )
        return http.wrap_body(
            body,
            http.JSON,
            status=200,
            accepts_gzip=call.accepts_gzip,
            position=record.position,
        )
    except SqlatchError as error:
        record.note(error)
        return http.wrap_error(error)


def _streamed(event: Any, record: Record, ends_at_s: float) -> dict[str, Any] | None:
    """Return the answer to a libSQL client, to a node that follows, or a file of the console."""
    from events import http

    method, path = http.route(event)
    if path.startswith("/-/"):
        from sqlatch.kernel.node import is_of_log

        if is_of_log(path):
            from handler.nodes import following

            return following.answer(service(), event, record, ends_at_s=ends_at_s)
    if http.path_and_database(path)[0] in http.ROUTES:
        return None
    if method == "GET" and (page := _console(path, event, record)) is not None:
        return page
    from hrana.paths import endpoint_of

    endpoint = endpoint_of(path)
    if endpoint is None:
        return None
    from handler import streams

    return streams.answer(service(), endpoint, event, record, ends_at_s=ends_at_s)


def _console(path: str, event: Any, record: Record) -> dict[str, Any] | None:
    """Return a file of the console; None if it is off, or the path is not one of its own."""
    from events import http
    from sqlatch.kernel import console

    if not (console.is_asked(path) and service().settings.console):
        return None
    page = console.answer(path, accepts_gzip=http.accepts(http.headers_of(event)))
    if page is not None:
        record.kind = "console"
    return page


def _sqs(event: Any, record: Record, ends_at_s: float) -> dict[str, Any]:
    from events import sqs
    from handler.messages import answer_messages

    messages = sqs.unwrap(event)
    with not_sent_on("takes no queue"), right_of(service(), record):
        return dict(sqs.wrap(answer_messages(service(), messages, record, ends_at_s=ends_at_s)))
