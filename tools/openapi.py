"""The HTTP API as an OpenAPI document, made of the schemas that the service itself goes by.

python -m tools.openapi docs/openapi.json    writes it; refuses what breaks callers
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from events import http
from events.reply import (
    BatchReply,
    CostReply,
    LinkedReply,
    LinkReply,
    Meta,
    PageReply,
    QueryReply,
    ResultReply,
)
from events.request import QUERY
from events.values import parameters_in
from sqlatch.kernel.version import __version__
from tools import operations
from tools.operations import REFERENCES, reference

VALUE: JsonSchemaValue = {
    "description": "A value of SQLite: a blob and an infinite real are objects. true binds as 1.",
    "anyOf": [
        {"type": ["null", "boolean", "integer", "number", "string"]},
        {
            "type": "object", "required": ["base64"], "additionalProperties": False,
            "properties": {"base64": {"type": "string", "contentEncoding": "base64"}},
        },
        {
            "type": "object", "required": ["real"], "additionalProperties": False,
            "properties": {"real": {"enum": ["Infinity", "-Infinity"]}},
        },
    ],
}  # fmt: skip
_VALUE = {"$ref": REFERENCES.format(model="Value")}
REPLIES = (
    Meta, PageReply, CostReply, LinkReply, ResultReply, QueryReply, LinkedReply, BatchReply,
)  # fmt: skip
PARAMETERS: JsonSchemaValue = {
    "description": "A list for ?, an object for :name, @name, $name, its keys without the prefix.",
    "anyOf": [
        {"type": "array", "items": _VALUE},
        {"type": "object", "additionalProperties": _VALUE},
        {"type": "null"},
    ],
}
HEALTH: JsonSchemaValue = {
    "type": "object",
    "required": ["status", "version", "sqlite_version", "directory", "lease_table", "databases",
                 "leases"],
    "properties": {
        "status": {"enum": ["ok", "degraded"]},
        "version": {"type": "string"},
        "sqlite_version": {"type": "string"},
        "directory": {"type": "object"},
        "lease_table": {"type": "object"},
        "databases": {"type": "array", "items": {"type": "object"}},
        "leases": {"type": "array", "items": {"type": "object"}},
    },
}  # fmt: skip


class _Requests(GenerateJsonSchema):
    """Knows the two fields that are checked by functions of ours, and not by pydantic's core."""

    def function_plain_schema(
        self, schema: core_schema.PlainValidatorFunctionSchema
    ) -> JsonSchemaValue:
        function = schema["function"]["function"]
        if function is parameters_in:
            return {"$comment": "Parameters"}
        return {"anyOf": [{"type": "array", "items": {"$comment": "Parameters"}}, {"type": "null"}]}


def document() -> dict[str, Any]:
    """The OpenAPI document."""
    query = _linked(_Requests().generate(QUERY, mode="validation"))
    schemas = {
        "Request": query,
        "Value": VALUE,
        "Parameters": PARAMETERS,
        **{kind.__name__: _typed(kind) for kind in REPLIES},
        "Reply": {"anyOf": [reference(f"{kind}Reply") for kind in ("Query", "Batch", "Linked")]},
        "Error": _error(),
        "Health": HEALTH,
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "sqlatch",
            "version": __version__,
            "description": "SQL over AWS Lambda, on SQLite files. One request is one transaction.",
        },
        "paths": {
            "/query": {"post": operations.QUERY},
            "/read": {
                "post": operations.READ,
                "get": operations.in_url(),
                "head": operations.in_url(),
            },
            "/{database}/query": {"parameters": [operations.DATABASE], "post": operations.QUERY},
            "/{database}/read": {
                "parameters": [operations.DATABASE],
                "post": operations.READ,
                "get": operations.in_url("database"),
                "head": operations.in_url("database"),
            },
            "/health": {"get": operations.health()},
        },
        "components": {"schemas": schemas},
    }


def _typed(kind: Any) -> JsonSchemaValue:
    """The schema of a typed dictionary of events.reply."""
    fields = {name: _of_type(one) for name, one in get_type_hints(kind).items()}
    description = {"description": kind.__doc__}
    if kind is QueryReply:
        # It is a ResultReply too: nothing is said twice.
        fields = {"meta": fields["meta"]}
        own = {"type": "object", "required": ["meta"], "properties": fields}
        return {**description, "allOf": [reference("ResultReply"), own]}
    required = sorted(kind.__required_keys__)
    return {**description, "type": "object", "required": required, "properties": fields}


def _of_type(kind: Any) -> JsonSchemaValue:
    if is_typeddict(kind):
        return reference(kind.__name__)
    if get_origin(kind) is list:
        (item,) = get_args(kind)
        return {"type": "array", "items": {} if item is Any else _of_type(item)}
    kinds = get_args(kind) or (kind,)
    if any(is_typeddict(one) for one in kinds):
        return {"anyOf": [_of_type(one) for one in kinds]}
    names = [_JSON_TYPES[one] for one in kinds]
    return {"type": names if len(names) > 1 else names[0]}


_JSON_TYPES = {
    int: "integer", float: "number", str: "string", bool: "boolean", type(None): "null",
}  # fmt: skip


def breaking(before: Any, after: Any, where: str = "") -> Iterator[str]:
    """Yield the changes from `before` to `after` that break a caller.

    Strict where it cannot know: anything that is gone or changed counts, but for texts meant for
    people. What is added does not, unless it is required.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        for name in before.keys() - after.keys() - {"description", "title", "default"}:
            yield f"{where}/{name} is gone"
        for name in before.keys() & after.keys() - {"description", "title", "version"}:
            yield from breaking(before[name], after[name], f"{where}/{name}")
        if where.endswith("/Request") and after.get("required", []) != before.get("required", []):
            yield f"{where}/required is {after.get('required')}"
    elif isinstance(before, list) and isinstance(after, list):
        for gone in (one for one in before if one not in after):
            yield f"{where}: {json.dumps(gone)} is gone"
    elif before != after:
        yield f"{where} was {before!r} and is {after!r}"


def _linked(part: Any) -> Any:
    """References in the place of comments, and regular expressions as JSON Schema has them."""
    if isinstance(part, list):
        return [_linked(one) for one in part]
    if not isinstance(part, dict):
        return part
    if "$comment" in part:
        return reference(part["$comment"])
    return {
        name: one.replace(r"\z", "$")
        if name == "pattern" and isinstance(one, str)
        else _linked(one)
        for name, one in part.items()
    }


def _error() -> JsonSchemaValue:
    codes = sorted(http.STATUS)
    return {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "description": "The code, why, and facts beside them.",
                "required": ["code", "message", "retryable"],
                "properties": {
                    "code": {"enum": codes},
                    "message": {"type": "string"},
                    "retryable": {"type": "boolean"},
                },
            }
        },
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the document, unless callers of the one that is there would break."""
    parser = argparse.ArgumentParser(prog="python -m tools.openapi", description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--breaking", action="store_true", help="write what breaks callers, too")
    options = parser.parse_args(arguments)
    after = document()
    if options.path.exists() and not options.breaking:
        found = list(breaking(json.loads(options.path.read_text()), after))
        if found:
            sys.exit("it breaks callers (--breaking writes it):\n" + "\n".join(found))
    options.path.write_text(json.dumps(after, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
