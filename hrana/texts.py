"""The texts that the statements of a request mean: given with them, or stored under a number."""

from hrana import batch
from hrana.protocol import (
    CloseSql,
    Describe,
    Execute,
    RunBatch,
    Sequence,
    StoreSql,
    StreamRequest,
)
from hrana.refusals import RequestRefused


def check_texts(requests: list[StreamRequest], known: set[int]) -> None:
    """RequestRefused, before anything is run, if a text is meant that will not be stored then."""
    for request in requests:
        if isinstance(request, StoreSql):
            if request.sql_id in known:
                raise RequestRefused(
                    f"sql_id {request.sql_id} is in use: close it, or take another", "BAD_REQUEST"
                )
            known.add(request.sql_id)
        elif isinstance(request, CloseSql):
            known.discard(request.sql_id)
        else:
            for sql, sql_id in _texts(request):
                if (sql is None) == (sql_id is None):
                    raise RequestRefused("give exactly one of `sql` and `sql_id`", "BAD_REQUEST")
                if sql is None and sql_id not in known:
                    raise RequestRefused(
                        f"no text is stored under sql_id {sql_id}: store it first", "SQL_NOT_FOUND"
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
