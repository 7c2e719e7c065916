"""A read in a URL: `GET /read?query=...&parameters=...`, which caches understand."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from pydantic_core import from_json

from sqlatch.kernel.errors import BadEvent
from sqlatch.kernel.hints import did_you_mean

FIELDS = (
    "query", "parameters", "database", "rows_as", "rows_max", "timeout_ms", "max_age_ms",
    "at_least", "at",
)  # fmt: skip
"""The fields of a request that a URL may have. The others write, or make an answer that is read
once: a page, a link."""

_INTEGERS = frozenset({"rows_max", "timeout_ms", "max_age_ms"})
_SIGNATURE = "x-amz-"
_ETAG = re.compile(r'"([\x21\x23-\x7e]{1,128})"', re.ASCII)
_INTEGER = re.compile(r"-?[0-9]{1,18}", re.ASCII)


def fields_in(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the request in the URL of a payload of either version; BadEvent."""
    fields: dict[str, Any] = {}
    for name, text in _pairs(event):
        if name.lower().startswith(_SIGNATURE):
            continue
        if name not in FIELDS:
            hint = did_you_mean(name, FIELDS)
            raise BadEvent(
                f"{name!r} is not a field of a read in a URL, which has {', '.join(FIELDS)}{hint}",
                field=name,
            )
        if name in fields:
            raise BadEvent(f"{name} stands in the URL twice", field=name)
        fields[name] = _value(name, text)
    return fields


def _pairs(event: Mapping[str, Any]) -> list[tuple[str, str]]:
    if "httpMethod" in event:  # payload 1.0, decoded
        named = event.get("multiValueQueryStringParameters") or event.get("queryStringParameters")
        return [
            (str(name), str(text))
            for name, texts in (named.items() if isinstance(named, Mapping) else ())
            for text in (texts if isinstance(texts, list) else [texts])
        ]
    text = str(event.get("rawQueryString") or "")
    try:
        text.encode("ascii")
        return parse_qsl(text, keep_blank_values=True, errors="strict")
    except ValueError as error:
        raise BadEvent(f"the URL is not UTF-8 with each such byte as %XX: {error}") from error


def _value(name: str, text: str) -> Any:
    if name in _INTEGERS and _INTEGER.fullmatch(text):
        return int(text)
    if name != "parameters":
        return text
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise BadEvent(f"the parameters are not JSON: {error}", field="parameters") from error


def is_signed(event: Mapping[str, Any]) -> bool:
    """Return whether the URL bears a signature for IAM."""
    return any(name.lower().startswith(_SIGNATURE) for name, _text in _pairs(event))


def etags_in(headers: Mapping[str, str]) -> frozenset[str]:
    """Return the ETags of the answers that a caller has, without their quotes.

    A weak one and a strong one are compared by these alone.
    """
    return frozenset(_ETAG.findall(headers.get("if-none-match", "")))
