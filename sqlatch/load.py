"""Many rows through one statement, cut into requests that fit every way of calling."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from sqlatch.errors import BadEvent, SqlatchError
from sqlatch.failures import RequestTooLarge, UnexpectedAnswer
from sqlatch.kernel.values import Parameters, parameters_out
from sqlatch.transports.transport import Sized, encoded

Ask = Callable[[Mapping[str, Any]], dict[str, Any]]
Progress = Callable[[int], None]
"""Is told how many rows are in the database, each time there are more."""

CHUNK_ROWS_MAX = 50_000
CHUNK_BYTES_MAX = 2 * 1024 * 1024
"""Well below the limit of a request: while one is applied, other writers wait for the lease."""

AROUND_ROWS_BYTES = 2 * 1024
"""The rest of a request, beside its rows and its SQL."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The counts of a load. `rows_replayed` were there from an earlier run of the same load."""

    rows: int
    rows_affected: int
    rows_replayed: int
    requests: int


def load(
    transport: Sized,
    query: str,
    rows: Iterable[Parameters],
    *,
    ask: Ask,
    key: str,
    progress: Progress | None,
    rows_max: int = CHUNK_ROWS_MAX,
) -> Loaded:
    """Send the rows, at most `rows_max` in a request; what fails says how far the load has got."""
    with Loading(transport, query, key=key, progress=progress) as loading:
        for fields in loading.requests(rows, rows_max):
            loading.take(ask(fields))
    return loading.loaded


class Loading:
    """A load under way: the requests that it consists of, and what their replies add up to.

    At the end of its block the facts of an error say `rows_loaded`, and `row` where it is known.
    What `rows` or `progress` raise has the same in a note, and as an attribute.
    """

    def __init__(
        self, transport: Sized, query: str, *, key: str, progress: Progress | None
    ) -> None:
        self.loaded = Loaded(0, 0, 0, 0)
        self._transport = transport
        self._query = query
        self._key = key
        self._progress = progress
        self._sent_rows = 0

    def requests(self, rows: Iterable[Parameters], rows_max: int) -> Iterator[dict[str, Any]]:
        """Yield the fields of each request; `take` its reply before the next one."""
        for number, chunk in enumerate(chunks(self._transport, self._query, rows, rows_max)):
            self._sent_rows = len(chunk)
            yield {
                "query": self._query,
                "parameter_sets": chunk,
                "idempotency_key": f"{self._key}:{number}",
            }

    def take(self, reply: Mapping[str, Any]) -> None:
        """Count the reply to the request before."""
        rows_affected, is_replay = _answered(reply)
        loaded = self.loaded
        self.loaded = Loaded(
            loaded.rows + self._sent_rows,
            loaded.rows_affected + rows_affected,
            loaded.rows_replayed + (self._sent_rows if is_replay else 0),
            loaded.requests + 1,
        )
        if self._progress is not None:
            self._progress(self.loaded.rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, SqlatchError):
            _place(error, self.loaded.rows)
        elif error is not None:
            error.add_note(f"after {self.loaded.rows} rows that are loaded")
            with suppress(AttributeError, TypeError):
                error.rows_loaded = self.loaded.rows  # type: ignore[attr-defined]


def chunks(
    transport: Sized, query: str, rows: Iterable[Parameters], rows_max: int
) -> Iterator[list[Any]]:
    """The rows as JSON says them, in lists that fit into a request; always the same lists."""
    around_bytes = transport.size_bytes(encoded({"query": query})) + AROUND_ROWS_BYTES
    room_bytes = min(CHUNK_BYTES_MAX, transport.request_bytes_max - around_bytes)
    chunk: list[Any] = []
    chunk_bytes = 0
    for number, row in enumerate(rows):
        given = _row_out(row, number)
        size_bytes = transport.size_bytes(encoded(given)) + 1
        if size_bytes > transport.request_bytes_max - around_bytes:
            raise RequestTooLarge(
                f"row {number} has {size_bytes:,} bytes as it travels, the limit is"
                f" {transport.request_bytes_max - around_bytes:,}: shorten its values",
                bytes=size_bytes,
                bytes_max=transport.request_bytes_max - around_bytes,
                row=number,
            )
        if chunk and chunk_bytes + size_bytes > room_bytes:
            yield chunk
            chunk, chunk_bytes = [], 0
        chunk.append(given)
        chunk_bytes += size_bytes
        if len(chunk) == rows_max:
            yield chunk
            chunk, chunk_bytes = [], 0
    if chunk:
        yield chunk


def _answered(reply: Mapping[str, Any]) -> tuple[int, bool]:
    """The rows affected, and whether the service had answered the request before."""
    match reply:
        case {"rows_affected": int(rows_affected), "meta": {"replayed": bool(is_replay)}}:
            return rows_affected, is_replay
    fields = ", ".join(map(str, reply))
    raise UnexpectedAnswer(f"the answer is not the reply to a load: it has {fields}")


def _row_out(row: Parameters, number: int) -> Any:
    try:
        return parameters_out(row)
    except BadEvent as error:
        error.facts["row"] = number
        raise


def _place(error: SqlatchError, rows_loaded: int) -> None:
    """Say in the caller's terms, not in those of one request, where a load failed."""
    error.facts["rows_loaded"] = rows_loaded
    number = error.facts.pop("parameter_set", None)
    if isinstance(number, int):
        error.facts["row"] = rows_loaded + number
        error.message = error.message.removeprefix(f"parameter_sets[{number}]: ")
        error.args = (error.message,)
    where = f"row {error.facts['row']}, " if "row" in error.facts else ""
    error.add_note(f"{where}after {rows_loaded} rows that are loaded (counted from 0)")
