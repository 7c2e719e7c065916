"""The libSQL door composed: whose stream, at which database, under which lease."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from pydantic_core import from_json

from events import http
from events.reply import ReplyForm
from handler.log import Record
from handler.service import Service
from hrana.direct import body_of, parse_event
from hrana.http import Answer, Caller, Door, answer_probe, refused
from hrana.paths import Target, check_target
from hrana.refusals import RequestRefused
from sqlatch.kernel.errors import BadEvent, IdempotencyConflict, SqlatchError
from sqlexec.statement import Encoder, Job, Kind, Limits, Statement
from sqlexec.transaction import Transaction

DOOR = "libsql"
"""In the log, whether it came over HTTP or was invoked directly."""


class AtDatabase:
    """The place of a stream in one request. Nothing of it runs past `deadline_s` (epoch)."""

    def __init__(self, service: Service, database: str, record: Record, deadline_s: float) -> None:
        self.rows_max = service.settings.rows_max
        self._service = service
        self._database = database
        self._record = record
        self._deadline_s = deadline_s

    def now(self) -> float:
        return self._service.clock.now()

    def check_deadline(self) -> None:
        self._service.check_deadline(self._deadline_s)

    @contextmanager
    def transaction(
        self, *, write: bool, commits: bool, foreign_keys: bool
    ) -> Iterator[Transaction]:
        """As `hrana.transaction.Place` says. What needs recovery is recovered first."""
        service = self._service
        exists = service.databases.get(self._database).interactive.exists()
        under_lease = write and (commits or exists)
        with ExitStack() as stack:

            def enter() -> Transaction:
                if under_lease:
                    entered = self._writing(foreign_keys=foreign_keys, creates=commits)
                else:
                    entered = self._reading(foreign_keys=foreign_keys)
                return stack.enter_context(entered)

            yield service.recovering(self._database, self._record, self._deadline_s, enter)

    def vacuum(self, sql: str) -> None:
        """VACUUM, a transaction of its own."""
        service = self._service
        limits = Limits(1, 1, timeout_s=0)
        encoder = Encoder(rows=lambda _columns, _rows: ([], 0), reply=lambda _results: "")

        def run() -> None:
            with service.writing(self._database, self._record, self._deadline_s) as grant:
                service.databases.get(self._database).vacuum(
                    Job((Statement(sql),), limits, encoder), grant
                )

        self._record.kind = Kind.VACUUM.value
        service.recovering(self._database, self._record, self._deadline_s, run)

    def free_memory(self) -> bool:
        return self._service.databases.free_memory()

    @contextmanager
    def _reading(self, *, foreign_keys: bool) -> Iterator[Transaction]:
        self._record.kind = self._record.kind or Kind.READ.value
        interactive = self._service.databases.get(self._database).interactive
        with interactive.reading(self._deadline_s, foreign_keys=foreign_keys) as transaction:
            yield transaction

    @contextmanager
    def _writing(self, *, foreign_keys: bool, creates: bool) -> Iterator[Transaction]:
        self._record.kind = Kind.WRITE.value
        interactive = self._service.databases.get(self._database).interactive
        with (
            self._service.writing(self._database, self._record, self._deadline_s) as grant,
            interactive.writing(grant, creates=creates, foreign_keys=foreign_keys) as transaction,
        ):
            yield transaction


def answer(
    service: Service,
    target: Target,
    event: Mapping[str, Any],
    record: Record,
    *,
    ends_at_s: float,
) -> dict[str, Any]:
    """The answer to an HTTP request of the protocol, in the shape that API Gateway takes."""
    record.door = DOOR
    accepts_gzip = http.accepts(http.headers_of(event))
    try:
        form = ReplyForm.ENCODED if accepts_gzip else ReplyForm.IN_TEXT
        said = _answer(service, target, event, record, ends_at_s, form=form)
        wrapped = _wrapped(said, accepts_gzip=accepts_gzip)
    except RequestRefused as refusal:
        said = refused(refusal)
        wrapped = _wrapped(said, accepts_gzip=False)
    except SqlatchError as error:
        record.note(error)
        status = int(error.facts.get("status", None) or http.STATUS[error.code])
        said = refused(RequestRefused(error.message, error.code, status=status))
        wrapped = _wrapped(said, accepts_gzip=False)
    _note(record, said)
    return wrapped


def answer_direct(
    service: Service, event: Mapping[str, Any], record: Record, *, ends_at_s: float
) -> Any:
    """The answer to a pipeline that is invoked directly: who may do that may do all.

    What breaks the protocol is a BadEvent, its code the fact `refusal`; a key that another request
    had, an IdempotencyConflict.
    """
    record.door = DOOR
    direct = parse_event(event)
    target = Target(direct.database, "v3", "pipeline")
    caller = Caller(
        "direct", writes=True, idempotency_key=direct.idempotency_key, form=ReplyForm.OBJECTS
    )
    door = _door(service, target.database, caller, record, ends_at_s)
    try:
        said = door.answer(target, body_of(direct))
    except RequestRefused as refusal:
        if refusal.code == IdempotencyConflict.code:
            raise IdempotencyConflict(refusal.message) from refusal
        raise BadEvent(refusal.message, refusal=refusal.code) from refusal
    _note(record, said)
    return from_json(said.body)


def _note(record: Record, said: Answer) -> None:
    """Keep what was answered, in the codes of the contract where they have one."""
    record.statements = said.statements
    record.rows = said.rows
    for refusal in said.refusals:
        if refusal.error is not None:
            record.note_each(refusal.error, record.database)
        else:
            record.note_code(refusal.code)
    if record.code is None and said.refusal is not None:
        record.note_code(said.refusal)


def _answer(
    service: Service,
    target: Target,
    event: Mapping[str, Any],
    record: Record,
    ends_at_s: float,
    *,
    form: ReplyForm,
) -> Answer:
    method, _path = http.route(event)
    if method == "GET":
        return answer_probe(target)
    headers = http.headers_of(event)
    access = service.tokens.access(headers.get("authorization"), service.clock.now())
    example = min(access.databases or {"main"})
    check_target(target, base_url=http.base_url(event), example=example)
    if method != "POST":
        raise RequestRefused(f"send POST, not {method}", "METHOD_NOT_ALLOWED", status=405)
    access.allow(target.database)
    caller = Caller(access.identity, access.writes, headers.get("idempotency-key"), form)
    door = _door(service, target.database, caller, record, ends_at_s)
    return door.answer(target, http.content_of(event))


def _door(
    service: Service, database: str, caller: Caller, record: Record, ends_at_s: float
) -> Door:
    record.database = database
    deadline_s = min(service.clock.now() + service.settings.timeout_ms / 1000, ends_at_s)
    place = AtDatabase(service, database, record, deadline_s)
    return Door(service.batons, place, caller, bytes_max=service.settings.result_bytes_max)


def _wrapped(said: Answer, *, accepts_gzip: bool) -> dict[str, Any]:
    return http.wrap_body(
        said.body, said.content_type, status=said.status, accepts_gzip=accepts_gzip
    )
