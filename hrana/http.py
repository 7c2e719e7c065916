"""The door: paths, bodies and statuses of the protocol over HTTP."""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from pydantic_core import to_json

from hrana import batch
from hrana.baton import Batons
from hrana.protocol import (
    Batch,
    BatchAlone,
    Close,
    CloseSql,
    Cursor,
    Describe,
    Execute,
    ExecuteAlone,
    GetAutocommit,
    Pipeline,
    RunBatch,
    Sequence,
    StoreSql,
    StreamRequest,
    parse,
)
from hrana.refusals import RequestRefused, StatementRefused
from hrana.state import State
from hrana.stream import Stream
from hrana.transaction import Place

JSON = "application/json"
LINES = "application/x-ndjson"

_PATH = re.compile(
    r"(?:/+(?P<database>[^/]+))?/+(?P<version>v1|v2|v3|v3-protobuf)(?:/+(?P<what>[a-z]+))?/*",
    re.ASCII,
)
"""A client may put its own slash behind a URL that ends in one."""

_DATABASE = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)
_WHAT = {
    "v1": {"execute", "batch"},
    "v2": {"pipeline"},
    "v3": {"pipeline", "cursor"},
    "v3-protobuf": set[str](),
}


@dataclass(frozen=True, slots=True)
class Target:
    """A database, a version of the protocol, and an endpoint; empty where the path has none."""

    database: str
    version: str
    what: str


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and how: what the token permits, and what the headers say."""

    identity: str
    writes: bool
    idempotency_key: str | None
    in_text: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back."""

    status: int
    content_type: str
    body: bytes
    statements: int = 0
    refusal: str | None = None


def target_of(path: str) -> Target | None:
    """What a path of the protocol means; None for any other path."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    return Target(found["database"] or "", found["version"], found["what"] or "")


def answer_probe(target: Target) -> Answer:
    """The answer to GET, by which clients ask for a version: JSON is spoken, protobuf is not."""
    if target.version == "v3-protobuf" or target.what:
        return refused(RequestRefused("there is nothing to get here", "NOT_FOUND", status=404))
    return Answer(200, JSON, b"{}")


def check_target(target: Target, *, base_url: str, example: str) -> None:
    """RequestRefused if there is no such path, or it names no database, as `example` would.

    A client that resolves a path against a URL without a slash at its end drops the URL's last
    part: were there a database by default, a write to `.../orders` would land in it.
    """
    if target.what not in _WHAT[target.version]:
        known = ", ".join(
            f"/DATABASE/{version}/{what}"
            for version, all_ in _WHAT.items()
            for what in sorted(all_)
        )
        raise RequestRefused(f"no such path; there are {known}", "NOT_FOUND", status=404)
    if not target.database:
        raise RequestRefused(
            f"the URL names no database; write {base_url}/{example}/ (or another database in place"
            f" of {example}), with the slash at its end: many clients drop what has no slash behind"
            " it",
            "DATABASE_NOT_NAMED",
        )
    if not _DATABASE.fullmatch(target.database):
        raise RequestRefused(
            f"{target.database!r} is not the name of a database: a to z, 0 to 9, - and _, not"
            " beginning with - or _, 63 characters at most",
            "BAD_REQUEST",
        )


def refused(refusal: RequestRefused) -> Answer:
    """A refusal as clients read it: they look into a body of exactly this type."""
    return Answer(refusal.status, JSON, to_json(refusal.body()), refusal=refusal.code)


class Door:
    """Answers the requests of one database, in the name of one caller."""

    def __init__(self, batons: Batons, place: Place, caller: Caller, *, bytes_max: int) -> None:
        self._batons = batons
        self._place = place
        self._caller = caller
        self._bytes_max = bytes_max

    def answer(self, target: Target, body: bytes) -> Answer:
        """The answer to a POST; RequestRefused if it breaks the protocol."""
        if target.what == "pipeline":
            return self._pipeline(target, body)
        if target.what == "cursor":
            return self._cursor(target, body)
        return (self._execute if target.what == "execute" else self._batch)(target, body)

    def _pipeline(self, target: Target, body: bytes) -> Answer:
        pipeline = parse(Pipeline, body)
        stream = self._stream(target, pipeline.baton, body)
        check_texts(pipeline.requests, set(stream.state.texts))
        results = []
        closed = False
        try:
            for request in pipeline.requests:
                if closed:
                    raise RequestRefused("the stream is closed", "STREAM_CLOSED")
                results.append(_result(request, stream))
                closed = isinstance(request, Close)
        finally:
            stream.end()
        baton = None if closed else self._baton(stream.state)
        reply = {"baton": baton, "base_url": None, "results": results}
        refusals = [result["error"]["code"] for result in results if result["type"] == "error"]
        return Answer(200, JSON, to_json(reply), stream.statements, next(iter(refusals), None))

    def _cursor(self, target: Target, body: bytes) -> Answer:
        cursor = parse(Cursor, body)
        stream = self._stream(target, cursor.baton, body)
        results, errors = self._steps(cursor.batch, stream)
        lines: list[Any] = [{"baton": self._baton(stream.state), "base_url": None}]
        for number, (result, error) in enumerate(zip(results, errors, strict=True)):
            lines += _entries(number, result, error)
        encoded = b"".join(to_json(line) + b"\n" for line in lines)
        return Answer(200, LINES, encoded, stream.statements, _first_code(errors))

    def _execute(self, target: Target, body: bytes) -> Answer:
        stmt = parse(ExecuteAlone, body).stmt
        stream = self._stream(target, None, body)
        try:
            result = stream.execute(stmt)
        except StatementRefused as refusal:
            refused_whole = RequestRefused(refusal.message, refusal.code)
            return refused(refused_whole)
        finally:
            stream.end()
        return Answer(200, JSON, to_json({"result": result}), stream.statements)

    def _batch(self, target: Target, body: bytes) -> Answer:
        steps = parse(BatchAlone, body).batch
        stream = self._stream(target, None, body)
        results, errors = self._steps(steps, stream)
        reply = {"result": {"step_results": results, "step_errors": errors}}
        return Answer(200, JSON, to_json(reply), stream.statements, _first_code(errors))

    def _steps(self, steps: Batch, stream: Stream) -> batch.StepResults:
        batch.check(steps)
        check_texts([RunBatch(type="batch", batch=steps)], set(stream.state.texts))
        try:
            return batch.run(steps, stream)
        finally:
            stream.end()

    def _stream(self, target: Target, baton: str | None, body: bytes) -> Stream:
        identity = self._caller.identity
        if baton is None:
            state = State(target.database, identity)
        else:
            state = self._batons.read(
                baton, self._place.now(), database=target.database, identity=identity
            )
            state.turn += 1
        name = f"{state.id}:{state.turn}"
        key = self._caller.idempotency_key
        if baton is None and key is not None:
            name = sha256(f"{identity}\t{key}".encode()).hexdigest()
        return Stream(
            state,
            self._place,
            writes=self._caller.writes,
            request_name=name,
            known_again=baton is not None or key is not None,
            fingerprint=sha256(f"/{target.what}".encode() + body).digest(),
            bytes_max=self._bytes_max,
            in_text=self._caller.in_text,
        )

    def _baton(self, state: State) -> str:
        return self._batons.write(state, self._place.now())


def check_texts(requests: list[StreamRequest], known: set[int]) -> None:
    """RequestRefused, before anything is run, if a text is meant that will not be stored then."""
    for request in requests:
        if isinstance(request, StoreSql):
            if request.sql_id in known:
                raise RequestRefused(f"sql_id {request.sql_id} is taken", "BAD_REQUEST")
            known.add(request.sql_id)
        elif isinstance(request, CloseSql):
            known.discard(request.sql_id)
        else:
            for sql, sql_id in _texts(request):
                if (sql is None) == (sql_id is None):
                    raise RequestRefused("give exactly one of `sql` and `sql_id`", "BAD_REQUEST")
                if sql is None and sql_id not in known:
                    raise RequestRefused(
                        f"no text is stored under sql_id {sql_id}", "SQL_NOT_FOUND"
                    )


def _texts(request: StreamRequest) -> list[tuple[str | None, int | None]]:
    if isinstance(request, Execute):
        return [(request.stmt.sql, request.stmt.sql_id)]
    if isinstance(request, RunBatch):
        batch.check(request.batch)
        return [(step.stmt.sql, step.stmt.sql_id) for step in request.batch.steps]
    if isinstance(request, Sequence | Describe):
        return [(request.sql, request.sql_id)]
    return []


def _result(request: StreamRequest, stream: Stream) -> dict[str, Any]:
    try:
        response = _response(request, stream)
    except StatementRefused as refusal:
        return {"type": "error", "error": refusal.body()}
    return {"type": "ok", "response": {"type": request.type, **response}}


def _response(request: StreamRequest, stream: Stream) -> dict[str, Any]:
    if isinstance(request, Execute):
        return {"result": stream.execute(request.stmt)}
    if isinstance(request, RunBatch):
        results, errors = batch.run(request.batch, stream)
        return {"result": {"step_results": results, "step_errors": errors}}
    if isinstance(request, Describe):
        return {"result": stream.describe(stream.sql(request.sql, request.sql_id))}
    if isinstance(request, GetAutocommit):
        return {"is_autocommit": stream.is_autocommit}
    if isinstance(request, Sequence):
        stream.sequence(stream.sql(request.sql, request.sql_id))
    elif isinstance(request, StoreSql):
        stream.store(request.sql_id, request.sql)
    elif isinstance(request, CloseSql):
        stream.state.texts.pop(request.sql_id, None)
    return {}


def _entries(
    number: int, result: dict[str, Any] | None, error: dict[str, str] | None
) -> list[dict[str, Any]]:
    """A step as the entries of a cursor; none for one that was skipped."""
    if error is not None:
        return [{"type": "step_error", "step": number, "error": error}]
    if result is None:
        return []
    end = {name: result[name] for name in ("affected_row_count", "last_insert_rowid")}
    return [
        {"type": "step_begin", "step": number, "cols": result["cols"]},
        *({"type": "row", "row": row} for row in result["rows"]),
        {"type": "step_end", **end},
    ]


def _first_code(errors: list[dict[str, str] | None]) -> str | None:
    return next((error["code"] for error in errors if error is not None), None)
