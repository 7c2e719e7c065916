"""The responses to the requests of a stream, one by one."""

from collections.abc import Callable
from typing import Any

from hrana import batch
from hrana.answers import Index
from hrana.protocol import (
    Batch,
    CloseSql,
    Describe,
    Execute,
    GetAutocommit,
    RunBatch,
    Sequence,
    StoreSql,
    StreamRequest,
)
from hrana.refusals import StatementRefused
from hrana.stream import Stream
from hrana.texts import check_texts


def result_of(index: Index, request: StreamRequest, stream: Stream) -> dict[str, Any]:
    """Return the result of a request of a pipeline: its response, or the error of its statement."""
    try:
        response = _response(index, request, stream)
    except StatementRefused as refusal:
        return {"type": "error", "error": stream.told(refusal).body()}
    return {"type": "ok", "response": {"type": request.type, **response}}


def _response(index: Index, request: StreamRequest, stream: Stream) -> dict[str, Any]:
    if isinstance(request, Execute):
        return {"result": stream.execute(index, request.stmt)}
    if isinstance(request, RunBatch):
        results, errors = batch.run(request.batch, stream, index[0])
        return {"result": {"step_results": results, "step_errors": errors}}
    if isinstance(request, Describe):
        return {"result": stream.describe(index, stream.sql(request.sql, request.sql_id))}
    if isinstance(request, GetAutocommit):
        return {"is_autocommit": stream.get_autocommit(index)}
    if isinstance(request, Sequence):
        stream.sequence(index, stream.sql(request.sql, request.sql_id))
    elif isinstance(request, StoreSql):
        stream.store(request.sql_id, request.sql)
    elif isinstance(request, CloseSql):
        stream.state.forget(request.sql_id)
    return {}


def steps_of(steps: Batch) -> Callable[[Stream], batch.StepResults]:
    """Return what runs a batch alone on a stream; RequestRefused for a wrong condition."""
    batch.check(steps)

    def run(stream: Stream) -> batch.StepResults:
        check_texts([RunBatch(type="batch", batch=steps)], set(stream.state.texts))
        return batch.run(steps, stream)

    return run


def entries_of(
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
