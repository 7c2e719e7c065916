"""Schemas by which pydantic's core parses JSON objects into frozen dataclasses.

pydantic's models do the like; importing and building them was a third of a cold start.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from functools import partial
from typing import Any, TypeVar

from pydantic_core import SchemaValidator, core_schema
from pydantic_core import ValidationError as ValidationError
from pydantic_core.core_schema import CoreSchema
from pydantic_core.core_schema import bool_schema as boolean
from pydantic_core.core_schema import float_schema as real
from pydantic_core.core_schema import int_schema as integer
from pydantic_core.core_schema import literal_schema as one_of
from pydantic_core.core_schema import no_info_after_validator_function as then
from pydantic_core.core_schema import no_info_plain_validator_function as made_by
from pydantic_core.core_schema import nullable_schema as nullable
from pydantic_core.core_schema import str_schema as text

__all__ = [
    "CoreSchema", "ValidationError", "boolean", "fields_parser", "integer", "made_by", "mapping",
    "nullable", "object_of", "one_of", "parser", "parser_by", "real", "text", "then", "tuple_of",
]  # fmt: skip

T = TypeVar("T")


def mapping() -> CoreSchema:
    """An object of any content."""
    return core_schema.dict_schema(core_schema.str_schema(), core_schema.any_schema())


def tuple_of(item: CoreSchema, *, min_length: int, max_length: int) -> CoreSchema:
    """A list of JSON as a tuple."""
    return then(tuple, core_schema.list_schema(item, min_length=min_length, max_length=max_length))


def object_of(
    kind: type, make: Callable[[dict[str, Any]], object] | None = None, /, **of: CoreSchema
) -> CoreSchema:
    """An object as that dataclass, which says what may be left out; nothing may be added.

    A ValueError of `make`, or of the dataclass's `__post_init__`, is one of the whole object.
    """
    return then(make or (lambda found: kind(**found)), _fields_of(kind, of))


def fields_parser(kind: type, *, strict: bool, **of: CoreSchema) -> Callable[[object], Any]:
    """A parser of an object into the fields of a dataclass; it raises ValidationError."""
    return parser_by(_fields_of(kind, of), strict=strict)


def parser(kind: type[T], *, strict: bool, **of: CoreSchema) -> Callable[[object], T]:
    """Return a parser of such objects; ValidationError. If strict, `"1"` is not an integer."""
    return parser_by(object_of(kind, **of), strict=strict)


def parser_by(given: CoreSchema, *, strict: bool) -> Callable[[object], Any]:
    """The same by a schema that is kept, to be described to callers too."""
    return partial(SchemaValidator(given).validate_python, strict=strict)


def _fields_of(kind: type, of: Mapping[str, CoreSchema]) -> CoreSchema:
    required = {field.name: field.default is MISSING for field in fields(kind)}
    return core_schema.typed_dict_schema(
        {
            name: core_schema.typed_dict_field(schema, required=required[name])
            for name, schema in of.items()
        },
        extra_behavior="forbid",
    )
