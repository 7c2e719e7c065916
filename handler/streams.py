"""The libSQL door composed: whose stream, at which database, under which lease."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, TypeVar

from pydantic_core import from_json

from events import http
from events.reply import ReplyForm
from events.request import position_in
from handler.job import freshness_of
from handler.record import Record
from handler.service import Service
from hrana.direct import body_of, parse_event
from hrana.http import Answer, Caller, Door, answer_probe, answer_refusal
from hrana.paths import Endpoint, check_endpoint
from hrana.refusals import RequestRefused
from sqlatch.kernel.errors import BadEvent, IdempotencyConflict, ReadOnly, SqlatchError
from sqlexec.interactive import Interactive
from sqlexec.statement import GrantNeeded, Kind
from sqlexec.transaction import Transaction
from storage.deadline import within
from storage.engine import Freshness, position_text

T = TypeVar("T")

DOOR = "libsql"
"""In the log, whether it came over HTTP or was invoked directly."""


class StreamDatabase:
    """The database of a stream in one request. Nothing of it runs past `deadline_s` (epoch).

    It is what `hrana.database.Database` describes. What needs recovery is recovered first.
    """

    def __init__(
        self,
        service: Service,
        name: str,
        record: Record,
        *,
        writes: bool,
        deadline_s: float,
    ) -> None:
        self.rows_max = service.settings.rows_max
        self._service = service
        self._name = name
        self._record = record
        self._writes = writes
        self._deadline_s = deadline_s

    def reach(self, freshness: Freshness) -> None:
        """Wait for the state that the request is to see at least."""
        self._service.recovering(
            self._name,
            self._record,
            self._deadline_s,
            self._interactive().reach,
            freshness,
            self._deadline_s,
        )

    def note_log(self) -> None:
        """Keep the position of the newest state that the request has seen or made, and its work."""
        if not self._service.settings.log:
            return
        self._service.note_work(self._record)
        seen = self._interactive().position, self._service.databases.get(self._name).position
        if any(seen):
            self._record.position = position_text(max(filter(None, seen)))

    def now(self) -> float:
        return self._service.clock.now()

    def check_deadline(self) -> None:
        self._service.check_deadline(self._deadline_s)

    def run(self, action: Callable[[Transaction], T], *, sql: str, foreign_keys: bool) -> T:
        return self._service.recovering(
            self._name,
            self._record,
            self._deadline_s,
            partial(self._run, action, sql, foreign_keys=foreign_keys),
        )

    @contextmanager
    def transaction(
        self, *, write: bool, commits: bool, read_only: bool, foreign_keys: bool
    ) -> Iterator[Transaction]:
        with ExitStack() as stack:
            stack.enter_context(within(self._deadline_s))
            # Asked for a reader too: it may have a file open that was moved away.
            exists = self._interactive().exists()
            under_lease = write and (commits or exists)

            def enter() -> Transaction:
                if under_lease:
                    entered = self._writing(foreign_keys=foreign_keys, creates=commits)
                else:
                    entered = self._reading(rehearses=not read_only, foreign_keys=foreign_keys)
                return stack.enter_context(entered)

            yield self._service.recovering(self._name, self._record, self._deadline_s, enter)

    def vacuum(self, sql: str) -> None:
        def run() -> None:
            with self._service.writing(self._name, self._record, self._deadline_s) as grant:
                self._service.databases.get(self._name).vacuum(sql, grant)

        self._record.kind = Kind.VACUUM.value
        self._service.recovering(self._name, self._record, self._deadline_s, run)

    def free_memory(self) -> bool:
        return self._service.databases.free_memory()

    def _run(self, action: Callable[[Transaction], T], sql: str, *, foreign_keys: bool) -> T:
        interactive = self._interactive()
        exists = interactive.exists()
        if not exists or not interactive.is_known_to_write(sql):
            try:
                with self._reading(rehearses=self._writes, foreign_keys=foreign_keys) as reading:
                    answer = action(reading)
                    if not reading.wrote:
                        return answer
            except GrantNeeded:
                pass
        if not self._writes:
            raise ReadOnly.of_statement()
        self._record.kind = Kind.WRITE.value
        with (
            self._service.writing(self._name, self._record, self._deadline_s) as grant,
            interactive.writing(grant, creates=not exists, foreign_keys=foreign_keys) as writing,
        ):
            return action(writing)

    def _interactive(self) -> Interactive:
        return self._service.databases.get(self._name).interactive

    @contextmanager
    def _reading(self, *, rehearses: bool, foreign_keys: bool) -> Iterator[Transaction]:
        self._record.kind = self._record.kind or Kind.READ.value
        with self._interactive().reading(
            self._deadline_s, rehearses=rehearses, foreign_keys=foreign_keys
        ) as transaction:
            yield transaction

    @contextmanager
    def _writing(self, *, foreign_keys: bool, creates: bool) -> Iterator[Transaction]:
        self._record.kind = Kind.WRITE.value
        with (
            self._service.writing(self._name, self._record, self._deadline_s) as grant,
            self._interactive().writing(
                grant, creates=creates, foreign_keys=foreign_keys
            ) as transaction,
        ):
            yield transaction


def answer(
    service: Service,
    endpoint: Endpoint,
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
        said = _answer(service, endpoint, event, record, ends_at_s, form=form)
        wrapped = _wrapped(said, accepts_gzip=accepts_gzip, position=record.position)
    except RequestRefused as refusal:
        said = answer_refusal(refusal)
        wrapped = _wrapped(said, accepts_gzip=False)
    except SqlatchError as error:
        record.note(error)
        said = _refused(error)
        wrapped = _wrapped(said, accepts_gzip=False)
    _note(record, said)
    return wrapped


def wrap_error(error: SqlatchError) -> dict[str, Any]:
    """Return an error as the protocol has it, for a request that this node could not answer."""
    return _wrapped(_refused(error), accepts_gzip=False)


def _refused(error: SqlatchError) -> Answer:
    status = int(error.facts.get("status", None) or http.STATUS[error.code])
    return answer_refusal(RequestRefused(error.message, error.code, status=status))


def answer_direct(
    service: Service,
    event: Mapping[str, Any],
    record: Record,
    *,
    ends_at_s: float,
    identity: str = "direct",
) -> Any:
    """The answer to a pipeline that is invoked directly: who may do that may do all.

    What breaks the protocol is a BadEvent, its code the fact `refusal`; a key that another request
    had, an IdempotencyConflict.
    """
    record.door = DOOR
    direct = parse_event(event)
    endpoint = Endpoint(direct.database, "v3", "pipeline")
    caller = Caller(
        identity, writes=True, idempotency_key=direct.idempotency_key, form=ReplyForm.OBJECTS
    )
    at = _database(service, endpoint.database, caller, record, ends_at_s)
    try:
        with _noted(at):
            said = _said(service, at, caller, endpoint, body_of(direct))
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
    endpoint: Endpoint,
    event: Mapping[str, Any],
    record: Record,
    ends_at_s: float,
    *,
    form: ReplyForm,
) -> Answer:
    method, _path = http.route(event)
    if method == "GET":
        return answer_probe(endpoint)
    headers = http.headers_of(event)
    access = service.tokens.access(headers.get("authorization"), service.clock.now())
    example = min(access.databases or {"main"})
    check_endpoint(endpoint, base_url=http.base_url(event), example=example)
    if method != "POST":
        raise RequestRefused(f"send POST, not {method}", "METHOD_NOT_ALLOWED", status=405)
    access.allow(endpoint.database)
    caller = Caller(access.identity, access.writes, headers.get("idempotency-key"), form)
    at = _database(service, endpoint.database, caller, record, ends_at_s)
    with _noted(at):
        if (at_least := headers.get("sqlatch-at-least")) is not None:
            at.reach(freshness_of(position_in(at_least), None, service.settings))
        return _said(service, at, caller, endpoint, http.content_of(event))


def _said(
    service: Service, at: StreamDatabase, caller: Caller, endpoint: Endpoint, body: bytes
) -> Answer:
    door = Door(service.batons, at, caller, bytes_max=service.settings.result_bytes_max)
    return door.answer(endpoint, body)


@contextmanager
def _noted(at: StreamDatabase) -> Iterator[None]:
    """Note what a request cost, also one that fails: else the next one would be told to have."""
    try:
        yield
    finally:
        at.note_log()


def _database(
    service: Service, database: str, caller: Caller, record: Record, ends_at_s: float
) -> StreamDatabase:
    record.database = database
    deadline_s = min(service.clock.now() + service.settings.timeout_ms / 1000, ends_at_s)
    return StreamDatabase(service, database, record, writes=caller.writes, deadline_s=deadline_s)


def _wrapped(said: Answer, *, accepts_gzip: bool, position: str | None = None) -> dict[str, Any]:
    return http.wrap_body(
        said.body,
        said.content_type,
        status=said.status,
        accepts_gzip=accepts_gzip,
        position=position,
    )
