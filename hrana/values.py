"""Values as the protocol writes them: an object with its type, integers and blobs as text."""

import base64
import binascii
import math
import re
from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json

from events.values import INTEGER_MAX, INTEGER_MIN, escapes_bytes
from hrana.refusals import StatementRefused
from sqlatch.kernel.values import Row, Value

SHOWN_CHARACTERS_MAX = 40

_INTEGER = re.compile(r"[+-]?[0-9]{1,20}", re.ASCII)


def value_in(given: object) -> Value:
    """One value; StatementRefused says what is wrong with it."""
    if not isinstance(given, Mapping):
        raise _bad("is not an object")
    kind, content = given.get("type"), given.get("value")
    if not isinstance(kind, str):
        raise _bad("has no `type`: null, integer, float, text or blob")
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
    raise _bad(f"has the type {_shown(kind)}, not null, integer, float, text or blob")


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
            recurs=False,
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
        raise _bad('is an integer whose `value` is not decimal digits in a text: "42"')
    if isinstance(content, str) and not _INTEGER.fullmatch(content):
        raise _bad(f"is not an integer of 64 bits in decimal digits: {_shown(content)}")
    number = int(content)
    if not INTEGER_MIN <= number <= INTEGER_MAX:
        raise _bad(f"is an integer past 64 bits ({INTEGER_MIN} to {INTEGER_MAX}): send it as text")
    return number


def _real(content: object) -> float:
    if isinstance(content, bool) or not isinstance(content, int | float):
        raise _bad("is a float whose `value` is not a number")
    try:
        number = float(content)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _bad(
            "is a float past 1.8e308, or NaN, which this protocol cannot say: send it as text"
        )
    return number


def _text(content: object) -> str:
    if not isinstance(content, str):
        raise _bad("is a text whose `value` is not a string")
    try:
        content.encode()
    except UnicodeEncodeError:
        raise _bad("holds half a surrogate pair, which is not Unicode: send it as a blob") from None
    return content


def _blob(content: object) -> bytes:
    if not isinstance(content, str):
        raise _bad("is a blob whose `base64` is not a string")
    try:
        return base64.b64decode(content + "=" * (-len(content) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _bad(f"is not base64: {error}") from error


def _shown(text: str) -> str:
    """A text of the client in a message, its beginning if it is long."""
    return repr(text if len(text) <= SHOWN_CHARACTERS_MAX else f"{text[:SHOWN_CHARACTERS_MAX]}...")


def _bad(why: str) -> StatementRefused:
    return StatementRefused(f"a value {why}", "ARGS_INVALID")
