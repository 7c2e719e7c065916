"""Values as the protocol writes them: an object with its type, integers and blobs as text."""

import base64
import binascii
import math
from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json

from events.values import INTEGER_MAX, INTEGER_MIN, escapes_bytes
from hrana.refusals import StatementRefused
from sqlexec.statement import Row, Value


def value_in(given: object) -> Value:
    """One value; StatementRefused says what is wrong with it."""
    if not isinstance(given, Mapping):
        raise _bad("is no object")
    kind, content = given.get("type"), given.get("value")
    if kind == "null":
        return None
    if kind == "integer":
        return _integer(content)
    if kind in {"float", "real"}:
        return _real(content)
    if kind == "text":
        return _text(content)
    if kind == "blob":
        return _blob(given.get("base64", content))
    raise _bad(f"has the type {kind!r}, not null, integer, float, text or blob")


def value_out(value: Value) -> dict[str, Any]:
    """One of SQLite's values; StatementRefused for a real that JSON cannot say."""
    if value is None:
        return {"type": "null"}
    if isinstance(value, str):
        return {"type": "text", "value": value}
    if isinstance(value, int):
        return {"type": "integer", "value": str(value)}
    if isinstance(value, bytes):
        return {"type": "blob", "base64": base64.b64encode(value).decode("ascii").rstrip("=")}
    if math.isinf(value):
        raise StatementRefused(
            "an infinite real has no form in this protocol: CAST it AS TEXT",
            "SQLITE_RANGE",
            comes_again=False,
        )
    return {"type": "float", "value": value}


def rows_out(_columns: tuple[str, ...], rows: list[Row], *, in_text: bool) -> tuple[list[Any], int]:
    """Rows as they are sent, and their bytes; `in_text` as for `events.values.rows_out`."""
    sent = [[value_out(value) for value in row] for row in rows]
    return sent, size_bytes(sent, in_text=in_text)


def size_bytes(sent: list[Any], *, in_text: bool) -> int:
    """The bytes of rows that are sent."""
    encoded = to_json(sent)
    return len(encoded) + (escapes_bytes(encoded) if in_text else 0)


def _integer(content: object) -> int:
    if isinstance(content, bool) or not isinstance(content, str | int):
        raise _bad("is an integer without a decimal text")
    try:
        number = int(content)
    except ValueError:
        raise _bad(f"is no integer: {content!r}") from None
    if not INTEGER_MIN <= number <= INTEGER_MAX:
        raise _bad("is an integer past 64 bits")
    return number


def _real(content: object) -> float:
    if isinstance(content, bool) or not isinstance(content, int | float):
        raise _bad("is a float without a number")
    return float(content)


def _text(content: object) -> str:
    if not isinstance(content, str):
        raise _bad("is a text without a string")
    try:
        content.encode()
    except UnicodeEncodeError:
        raise _bad("holds half a surrogate pair") from None
    return content


def _blob(content: object) -> bytes:
    if not isinstance(content, str):
        raise _bad("is a blob without base64")
    try:
        return base64.b64decode(content + "=" * (-len(content) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _bad(f"is bad base64: {error}") from error


def _bad(why: str) -> StatementRefused:
    return StatementRefused(f"a value {why}", "ARGS_INVALID")
