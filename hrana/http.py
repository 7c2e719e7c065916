"""The door: paths, bodies and statuses of the protocol over HTTP."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, TypeVar

from pydantic_core import to_json

from events.reply import ReplyForm
from hrana import responses
from hrana.answers import Answers, Commit, CommittedBefore, RequestName
from hrana.baton import Batons, StreamExpired
from hrana.database import Database
from hrana.outcomes import Outcome
from hrana.paths import Endpoint
from hrana.protocol import (
    BatchAlone,
    Close,
    Cursor,
    Execute,
    ExecuteAlone,
    Pipeline,
    RunBatch,
    parse,
)
from hrana.refusals import RequestRefused, StatementRefused
from hrana.room import Room, Shape
from hrana.state import State
from hrana.stream import Stream
from hrana.texts import check_texts

T = TypeVar("T")

JSON = "application/json"
LINES = "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of a request: the rights of its token, and what its headers ask for."""

    identity: str
    writes: bool
    idempotency_key: str | None
    form: ReplyForm


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, with the counts for the log."""

    status: int
    content_type: str
    body: bytes
    statements: int = 0
    rows: int = 0
    refusal: str | None = None
    refusals: tuple[StatementRefused, ...] = ()


def answer_probe(endpoint: Endpoint) -> Answer:
    """The answer to GET, by which clients ask for a version: JSON is spoken, protobuf is not."""
    if endpoint.version == "v3-protobuf" or endpoint.name:
        return answer_refusal(
            RequestRefused("there is nothing to get here", "NOT_FOUND", status=404)
        )
    return Answer(200, JSON, b"{}")


def answer_refusal(refusal: RequestRefused) -> Answer:
    """A refusal as clients read it: they look into a body of exactly this type."""
    return Answer(refusal.status, JSON, to_json(refusal.body()), refusal=refusal.code)


def _answered(stream: Stream, body: bytes, content_type: str = JSON) -> Answer:
    return Answer(
        200,
        content_type,
        body,
        statements=stream.statements,
        rows=stream.rows,
        refusals=tuple(stream.refusals),
    )


class Door:
    """Answers the requests of one database, in the name of one caller."""

    def __init__(
        self, batons: Batons, database: Database, caller: Caller, *, bytes_max: int
    ) -> None:
        self._batons = batons
        self._database = database
        self._caller = caller
        self._bytes_max = bytes_max

    def answer(self, endpoint: Endpoint, body: bytes) -> Answer:
        """The answer to a POST; RequestRefused if it breaks the protocol."""
        if endpoint.name == "pipeline":
            return self._pipeline(endpoint, body)
        if endpoint.name == "cursor":
            return self._cursor(endpoint, body)
        return (self._execute if endpoint.name == "execute" else self._batch)(endpoint, body)

    def _pipeline(self, endpoint: Endpoint, body: bytes) -> Answer:
        pipeline = parse(Pipeline, body)
        requests = pipeline.requests
        if any(isinstance(request, Close) for request in requests[:-1]):
            raise RequestRefused("no request can stand behind `close`", "STREAM_CLOSED")
        steps = sum(len(each.batch.steps) for each in requests if isinstance(each, RunBatch))
        shape = Shape(requests=len(requests), steps=steps)

        def run(stream: Stream) -> list[dict[str, Any]]:
            check_texts(requests, set(stream.state.texts))
            return [
                responses.result_of((number, 0, 0), request, stream)
                for number, request in enumerate(requests)
            ]

        closed = bool(requests) and isinstance(requests[-1], Close)
        if not closed:
            self._batons.prepare(endpoint.database)
        stream, results = self._run(endpoint, pipeline.baton, body, shape, run)
        baton = None if closed else self._baton(stream.state)
        reply = {"baton": baton, "base_url": None, "results": results}
        return _answered(stream, to_json(reply))

    def _cursor(self, endpoint: Endpoint, body: bytes) -> Answer:
        cursor = parse(Cursor, body)
        self._batons.prepare(endpoint.database)
        shape = Shape(steps=len(cursor.batch.steps), lines=True)
        stream, (results, errors) = self._run(
            endpoint, cursor.baton, body, shape, responses.steps_of(cursor.batch)
        )
        lines: list[Any] = [{"baton": self._baton(stream.state), "base_url": None}]
        for number, (result, error) in enumerate(zip(results, errors, strict=True)):
            lines += responses.entries_of(number, result, error)
        encoded = b"".join(to_json(line) + b"\n" for line in lines)
        return _answered(stream, encoded, LINES)

    def _execute(self, endpoint: Endpoint, body: bytes) -> Answer:
        stmt = parse(ExecuteAlone, body).stmt
        check_texts([Execute(type="execute", stmt=stmt)], set())

        def run(stream: Stream) -> Outcome:
            try:
                return stream.execute((0, 0, 0), stmt)
            except StatementRefused as refusal:
                raise stream.told(refusal) from refusal

        try:
            stream, result = self._run(endpoint, None, body, Shape(requests=1), run)
        except StatementRefused as refusal:
            refused_whole = answer_refusal(RequestRefused(refusal.message, refusal.code))
            return replace(refused_whole, statements=1, refusals=(refusal,))
        return _answered(stream, to_json({"result": result}))

    def _batch(self, endpoint: Endpoint, body: bytes) -> Answer:
        steps = parse(BatchAlone, body).batch
        shape = Shape(steps=len(steps.steps))
        stream, (results, errors) = self._run(
            endpoint, None, body, shape, responses.steps_of(steps)
        )
        reply = {"result": {"step_results": results, "step_errors": errors}}
        return _answered(stream, to_json(reply))

    def _run(
        self,
        endpoint: Endpoint,
        baton: str | None,
        body: bytes,
        shape: Shape,
        run: Callable[[Stream], T],
    ) -> tuple[Stream, T]:
        """Run a request on its stream; if it proves to have come before, with its first answers."""
        commits: list[Commit] = []
        while True:
            room = Room(shape, self._caller.form, rows_bytes_max=self._bytes_max)
            try:
                stream = self._stream(endpoint, baton, body, commits, room)
                try:
                    return stream, run(stream)
                finally:
                    stream.connection.leave()
            except CommittedBefore as before:
                commits = commits + before.commits

    def _stream(
        self, endpoint: Endpoint, baton: str | None, body: bytes, commits: list[Commit], room: Room
    ) -> Stream:
        expired = None
        identity = self._caller.identity
        if baton is None:
            state = State(endpoint.database, identity)
        else:
            try:
                state = self._batons.read(
                    baton, self._database.now(), database=endpoint.database, identity=identity
                )
            except StreamExpired as refusal:
                expired, state = refusal, refusal.state
        state.turn += baton is not None
        request = RequestName(
            self._name(state, baton),
            fingerprint=sha256(f"/{endpoint.name}".encode() + body).digest(),
            may_repeat=baton is not None or self._caller.idempotency_key is not None,
            carried=None if state.log is None or commits else state.log.id,
            conflict=_baton_used if baton is not None else _key_used,
        )
        stream = Stream(
            state,
            self._database,
            Answers(request, commits),
            writes=self._caller.writes,
            room=room,
        )
        if expired is not None and not commits:
            # It may have committed in time, and only its answer was lost.
            stream.connection.look_up()
            raise expired
        return stream

    def _name(self, state: State, baton: str | None) -> str:
        key = self._caller.idempotency_key
        if baton is None and key is not None:
            return sha256(f"{self._caller.identity}\t{key}".encode()).hexdigest()
        return f"{state.id}:{state.turn}"

    def _baton(self, state: State) -> str:
        return self._batons.write(state, self._database.now())


def _baton_used() -> RequestRefused:
    return RequestRefused("the baton was used: its transaction is committed", "BAD_BATON")


def _key_used() -> RequestRefused:
    return RequestRefused(
        "the idempotency key was used for another request: give each request a key of its own",
        "IDEMPOTENCY_CONFLICT",
        status=409,
    )
