"""The client's end of a stream: statements out, results in, the baton kept between them."""

import base64
import datetime
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlatch.client import Client
from sqlatch.dbapi.errors import DataError, Error, ProgrammingError, error_of, failure_of
from sqlatch.errors import SqlatchError
from sqlatch.failures import UnexpectedAnswer
from sqlatch.kernel.values import INTEGER_MAX, INTEGER_MIN
from sqlatch.transports.transport import encoded

Parameters = Sequence[Any] | Mapping[str, Any]
Sent = dict[str, Any] | str
"""A statement, or the text of a script."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one statement: (name, declared type) of its columns, rows, counts.

    `next_page` names the page behind the rows, None if they are all.
    """

    columns: list[tuple[str, str | None]]
    rows: list[tuple[Any, ...]]
    rows_affected: int
    last_insert_rowid: int | None
    next_page: str | None = None


class Stream:
    """One stream. Every request may be sent again: what it commits is committed once.

    `in_transaction` is what the service said last, `position` the state that the last request has
    seen or made, None if it was not told. A request sees at least the state `at_least`, over HTTP.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self.baton: str | None = None
        self.in_transaction = False
        self.position: str | None = None
        self.at_least: str | None = None

    def run(self, *sent: Sent) -> list[Answer | Error]:
        """Return the answer to each statement or script; Error if the request had no answer."""
        requests: list[dict[str, Any]] = [
            {"type": "sequence", "sql": one}
            if isinstance(one, str)
            else {"type": "execute", "stmt": one}
            for one in sent
        ]
        requests.append({"type": "get_autocommit"})
        event: dict[str, Any] = {
            "pipeline": {"baton": self.baton, "requests": requests},
            "database": self._client.database,
        }
        if self.baton is None:
            event["idempotency_key"] = str(uuid4())
        if self.at_least is not None:
            event["at_least"] = self.at_least
        self.position = None
        attempts = self._client.attempts
        try:
            reply = attempts.of(
                lambda: self._client.transport.invoke(event, timeout_s=attempts.one_s),
                repeatable=True,
            )
            *results, last = reply["results"]
            baton, answers = reply["baton"], [_answer(result) for result in results]
            in_transaction = not last["response"]["is_autocommit"]
        except SqlatchError as error:
            raise failure_of(error) from error
        except (KeyError, TypeError, ValueError) as error:
            foreign = UnexpectedAnswer(f"the answer is not the reply to a pipeline: {error!r}")
            raise failure_of(foreign) from foreign
        self.move_to(baton, in_transaction=in_transaction)
        self.position = reply.get("position")
        return answers

    def move_to(self, baton: str | None, *, in_transaction: bool) -> None:
        """Go on from another place of the stream, or with None in a new one."""
        self.baton = baton
        self.in_transaction = in_transaction


def stmt_of(sql: str, parameters: Parameters = ()) -> dict[str, Any]:
    """A statement as the protocol has it; ProgrammingError or DataError for a value it cannot."""
    if isinstance(parameters, Mapping):
        named = [{"name": str(name), "value": _value(one)} for name, one in parameters.items()]
        return {"sql": sql, "named_args": named}
    return {"sql": sql, "args": _values(parameters)}


def stmts_of(
    sql: str, sets: Iterator[Parameters], *, size_bytes: Callable[[bytes], int], bytes_max: int
) -> Iterator[dict[str, Any]]:
    """A statement with many sets of values, in parts of `bytes_max` as they travel, or of one set.

    `size_bytes` says what an encoded part of a request takes.
    """
    part: list[list[dict[str, Any]]] = []
    part_bytes = 0
    for parameters in sets:
        if isinstance(parameters, Mapping):
            raise ProgrammingError("executemany takes sequences of values, not mappings")
        values = _values(parameters)
        set_bytes = size_bytes(encoded(values)) + 1
        if part and part_bytes + set_bytes > bytes_max:
            yield {"sql": sql, "arg_sets": part}
            part, part_bytes = [], 0
        part.append(values)
        part_bytes += set_bytes
    if part:
        yield {"sql": sql, "arg_sets": part}


def _values(parameters: Sequence[Any]) -> list[dict[str, Any]]:
    if isinstance(parameters, str | bytes) or not isinstance(parameters, Sequence):
        raise ProgrammingError(
            f"parameters are a sequence or a mapping, not {type(parameters).__name__}"
        )
    return [_value(value) for value in parameters]


def _value(value: Any) -> dict[str, Any]:
    if value is None:
        return {"type": "null"}
    if isinstance(value, float):
        if not math.isfinite(value):
            raise DataError("infinity and NaN cannot be sent: send None")
        return {"type": "float", "value": value}
    if isinstance(value, bytes | bytearray | memoryview):
        return {"type": "blob", "base64": base64.b64encode(bytes(value)).decode("ascii")}
    if isinstance(value, int):
        if not INTEGER_MIN <= value <= INTEGER_MAX:
            raise DataError("an integer is past 64 bits: send it as a text")
        return {"type": "integer", "value": str(int(value))}
    return {"type": "text", "value": _text(value)}


def _text(value: Any) -> str:
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if not isinstance(value, str):
        raise ProgrammingError(
            f"a value of type {type(value).__name__} cannot be stored in SQLite:"
            " use None, int, float, str or bytes, or a date or time"
        )
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            "a text holds half a surrogate pair, which is not Unicode: send it as bytes"
        ) from error
    return value


def _answer(result: Mapping[str, Any]) -> Answer | Error:
    if result["type"] == "error":
        return error_of(result["error"]["message"], result["error"]["code"])
    said = result["response"].get("result")
    if said is None:
        return Answer([], [], 0, None)
    rowid = said["last_insert_rowid"]
    return Answer(
        [(column["name"], column["decltype"]) for column in said["cols"]],
        [tuple(map(_plain, row)) for row in said["rows"]],
        said["affected_row_count"],
        None if rowid is None else int(rowid),
        said.get("page"),
    )


def _plain(value: Mapping[str, Any]) -> Any:
    kind = value["type"]
    if kind == "integer":
        return int(value["value"])
    if kind == "blob":
        encoded = value["base64"]
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4))
    if kind == "float":
        return float(value["value"])
    return value.get("value")
