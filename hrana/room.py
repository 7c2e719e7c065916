"""The room of an answer: its bytes are counted before what they tell of is committed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from events.http import ANSWER_BYTES_MAX
from events.reply import ReplyForm
from events.values import escapes_bytes
from hrana import values
from hrana.refusals import RequestRefused, StatementRefused
from sqlatch.kernel.values import Row
from sqlexec.statement import Limits

AROUND_BYTES = 64 * 1024
"""Kept free for what stands around the results: a baton, at most 44 KiB, status and headers."""

RESULT_BYTES, STEP_BYTES, LINES_BYTES, ROW_LINE_BYTES = 150, 85, 140, 29
"""The least that is told, in its longest form: of a request of a pipeline, of a step of a batch, of
a step of a cursor; and what a cursor puts around each row."""

OUTCOME_BYTES = 77
"""Of that, an outcome without columns and rows."""

PAGE_RESERVE_BYTES = 256 * 1024
"""Of a page, what is kept for the names of its columns."""

ALL_ROWS_WITH = (
    "read it in parts by a key (WHERE id > ? ORDER BY id LIMIT ?), or through sqlatch.dbapi, which"
    " reads in pages"
)
"""The next step of a client whose result is too large."""

MESSAGE_CHARACTERS_MAX = 2_000
FULL = "the answer is full"
"""The message that always fits."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The number of results in an answer; with `lines`, they are those of a cursor."""

    requests: int = 0
    steps: int = 0
    lines: bool = False


class Room:
    """The bytes left in one answer. The least of each result is set aside first.

    All rows together have `rows_bytes_max`, the answer what Lambda takes.
    """

    def __init__(self, shape: Shape, form: ReplyForm, *, rows_bytes_max: int) -> None:
        self._form = form
        self._rows_bytes_max = rows_bytes_max
        self._row_line_bytes = ROW_LINE_BYTES if shape.lines else 0
        self._rows_bytes = 0
        self._untold = False
        step_bytes = LINES_BYTES if shape.lines else STEP_BYTES
        least_bytes = shape.requests * RESULT_BYTES + shape.steps * step_bytes
        self._left = ANSWER_BYTES_MAX - AROUND_BYTES - least_bytes
        self._before = self._left, self._rows_bytes
        if self._left < 0:
            raise RequestRefused(
                f"the answers to {shape.requests or 1} requests with {shape.steps} steps take at"
                f" least {least_bytes:,} bytes, the limit is"
                f" {ANSWER_BYTES_MAX - AROUND_BYTES:,}: send them in several requests",
                "RESPONSE_TOO_LARGE",
                status=413,
            )

    def next_statement(self) -> None:
        """Begin a statement. It may be run several times, and counts once."""
        self._before = self._left, self._rows_bytes

    def limits(self, rows_max: int, *, is_page: bool = False) -> Limits:
        """Return the limits of the statement, which runs next: for a page what is left at most."""
        self._left, self._rows_bytes = self._before
        bytes_max = self._rows_bytes_max
        if is_page:
            bytes_max = min(bytes_max, self._rows_bytes + max(0, self._left - PAGE_RESERVE_BYTES))
        return Limits(
            rows_max,
            bytes_max,
            timeout_s=0,
            bytes_spent=self._rows_bytes,
            all_rows_with=ALL_ROWS_WITH,
        )

    def encode_rows(self, columns: tuple[str, ...], rows: list[Row]) -> tuple[list[Any], int]:
        """Return rows as they are sent, and count their bytes."""
        sent, size_bytes = values.rows_out(columns, rows, in_text=self._form is ReplyForm.IN_TEXT)
        if self._form is ReplyForm.OBJECTS:
            # Lambda's runtime writes a space behind each comma and colon.
            size_bytes += sum(map(len, sent)) * 4 + len(sent)
        return sent, size_bytes

    def take(self, outcome: dict[str, Any], rows_bytes: int) -> None:
        """Set aside what the statement's outcome takes; StatementRefused if it does not fit.

        `rows_bytes` are those of its rows, if it has them still.
        """
        rows = outcome["rows"]
        rows_bytes = rows_bytes if rows else 0
        about_bytes = self._size_bytes({**outcome, "rows": []}) - OUTCOME_BYTES
        self._take(rows_bytes + len(rows) * self._row_line_bytes + max(0, about_bytes))
        if not self._untold:
            self._rows_bytes += rows_bytes

    def take_description(self, description: dict[str, Any]) -> None:
        """The same for what describes a statement."""
        self._take(self._size_bytes(description))

    def take_kept(self, outcome: dict[str, Any]) -> None:
        """The same for an answer of an earlier run, which is given in any case."""
        self._left -= self._size_bytes(outcome)

    def told(self, refusal: StatementRefused) -> StatementRefused:
        """The refusal as it fits in, its message cut if need be."""
        message = refusal.message
        if len(message) > MESSAGE_CHARACTERS_MAX:
            message = f"{message[:MESSAGE_CHARACTERS_MAX]}..."
        size_bytes = self._size_bytes(message)
        if size_bytes > self._left:
            return StatementRefused(FULL, refusal.code)
        self._left -= size_bytes
        return StatementRefused(message, refusal.code)

    @contextmanager
    def untold(self) -> Iterator[None]:
        """Nothing of the statements within the block is told: they are a script's."""
        self._untold = True
        try:
            yield
        finally:
            self._untold = False

    def _take(self, size_bytes: int) -> None:
        if self._untold:
            return
        if size_bytes > self._left:
            raise StatementRefused(
                f"the answer has passed its limit of {ANSWER_BYTES_MAX - AROUND_BYTES:,} bytes:"
                " send fewer statements in one request, or ask for fewer rows with LIMIT",
                "RESPONSE_TOO_LARGE",
                recurs=False,
            )
        self._left -= size_bytes

    def _size_bytes(self, content: object) -> int:
        encoded = to_json(content)
        if self._form is ReplyForm.IN_TEXT:
            return len(encoded) + escapes_bytes(encoded)
        if self._form is ReplyForm.OBJECTS:
            return len(encoded) + encoded.count(b",") + encoded.count(b":")
        return len(encoded)
