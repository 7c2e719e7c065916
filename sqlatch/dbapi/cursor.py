"""A cursor: runs statements of its connection and holds the rows of the last one."""

from collections.abc import Iterable, Iterator
from copy import copy
from itertools import chain
from typing import TYPE_CHECKING, Any, Self

from sqlatch.dbapi.errors import OperationalError, ProgrammingError
from sqlatch.dbapi.stream import Parameters
from sqlatch.dbapi.words import CHANGES, word_of

if TYPE_CHECKING:
    from sqlatch.dbapi.connection import Connection
    from sqlatch.dbapi.stream import Answer

Column = tuple[str, str | None, None, None, None, None, None]
Row = tuple[Any, ...]


class Cursor:
    """A cursor. Rows come in pages of as many as an answer holds, each when it is fetched from.

    It holds nothing open at the service. Rows of a transaction are fetched within it.

    The type of a column in `description` is as it was declared; compare it with STRING, NUMBER and
    so on.
    """

    arraysize = 1

    def __init__(self, connection: "Connection") -> None:
        self.connection = connection
        self.description: tuple[Column, ...] | None = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self._rows: Iterator[Row] | None = None
        self._is_closed = False

    def execute(self, operation: str, parameters: Parameters = ()) -> Self:
        self._check_open()
        self._reset()
        answer = self.connection.run(operation, parameters)
        if answer.columns:
            self.description = tuple(
                (name, declared, None, None, None, None, None) for name, declared in answer.columns
            )
            self._rows = self._all_rows(operation, parameters, answer)
        if word_of(operation) in CHANGES and (answer.rows_affected or not answer.columns):
            self.rowcount = answer.rows_affected
        if answer.last_insert_rowid is not None:
            self.lastrowid = answer.last_insert_rowid
        return self

    def executemany(self, operation: str, seq_of_parameters: Iterable[Parameters]) -> Self:
        self._check_open()
        self._reset()
        self.rowcount = self.connection.run_many(operation, iter(seq_of_parameters))
        return self

    def executescript(self, script: str) -> Self:
        """Run the statements of a script, in one request; the first that fails is its end.

        It commits nothing by itself: it is part of the transaction, as a statement is.
        """
        self._check_open()
        self._reset()
        self.connection.run_script(script)
        return self

    def fetchone(self) -> Row | None:
        return next(self._result(), None)

    def fetchmany(self, size: int | None = None) -> list[Row]:
        rows = self._result()
        wanted = self.arraysize if size is None else size
        return [row for _number, row in zip(range(wanted), rows, strict=False)]

    def fetchall(self) -> list[Row]:
        return list(self._result())

    def close(self) -> None:
        self._is_closed = True
        self._rows = None

    def setinputsizes(self, sizes: Any) -> None:
        """Nothing is to be reserved."""

    def setoutputsize(self, size: int, column: int | None = None) -> None:
        """Nothing is to be reserved."""

    def _all_rows(self, operation: str, parameters: Parameters, answer: "Answer") -> Iterator[Row]:
        """Return the rows of an answer, and of the pages behind it."""
        if answer.next_page is None:
            return iter(answer.rows)
        pages = self._pages(operation, copy(parameters), answer, self.connection.transaction_number)
        return chain.from_iterable(pages)

    def _pages(
        self, operation: str, parameters: Parameters, answer: "Answer", number: int | None
    ) -> Iterator[list[Row]]:
        yield answer.rows
        while answer.next_page is not None:
            self._check_open()
            if self.connection.transaction_number != number:
                raise OperationalError(
                    "the transaction in which these rows were read has ended, or another one has"
                    " begun: fetch all rows before it ends",
                    "DATABASE_CHANGED",
                )
            answer = self.connection.run(operation, parameters, answer.next_page)
            yield answer.rows

    def _reset(self) -> None:
        self.description = None
        self.rowcount = -1
        self._rows = None

    def _result(self) -> Iterator[Row]:
        self._check_open()
        if self._rows is None:
            raise ProgrammingError("there are no rows to fetch: the last statement returned none")
        return self._rows

    def _check_open(self) -> None:
        if self._is_closed:
            raise ProgrammingError("the cursor is closed")
        self.connection._check_open()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Row:
        row = self.fetchone()
        if row is None:
            raise StopIteration
        return row
