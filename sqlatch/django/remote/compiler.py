"""Django's compilers, and the functions that the service's SQLite does not have by that name."""

from typing import Any

from django.db import NotSupportedError
from django.db.models import functions
from django.db.models.sql import compiler

ARRAY = "JSON_GROUP_ARRAY"

_VARIANCE = (
    "(SELECT {} FROM json_each(var_j),"
    " (SELECT avg(value) AS mean FROM json_each(var_j)) WHERE value IS NOT NULL)"
)
VARIANCE = {
    "VAR_POP": _VARIANCE.format("avg((value - mean) * (value - mean))"),
    "VAR_SAMP": _VARIANCE.format("sum((value - mean) * (value - mean)) / nullif(count(*) - 1, 0)"),
    "STDDEV_POP": _VARIANCE.format("sqrt(avg((value - mean) * (value - mean)))"),
    "STDDEV_SAMP": _VARIANCE.format(
        "sqrt(sum((value - mean) * (value - mean)) / nullif(count(*) - 1, 0))"
    ),
}
"""Of the values as an array, since the mean has to be known before the squares."""

_BITS = (
    "(SELECT sum(bit) FROM (SELECT ({}) << place.value AS bit"
    f" FROM json_each(var_j) AS one, json_each('{list(range(64))}') AS place"
    " GROUP BY place.value))"
)
_BIT = "(one.value >> place.value) & 1"
BITS = {
    "BIT_AND": _BITS.format(f"min({_BIT})"),
    "BIT_OR": _BITS.format(f"max({_BIT})"),
    "BIT_XOR": _BITS.format(f"sum({_BIT}) & 1"),
}
"""Bit by bit of all the values."""

OF_ARRAY = VARIANCE | BITS

_FILL = "substr(replace(hex(zeroblob(max(fn_b, 0))), '00', fn_c), 1, max(fn_b - length(fn_a), 0))"
_HEX = "lower(hex(randomblob({})))"

BODIES = {
    "COT": "1.0 / tan(fn_a)",
    "LPAD": f"CASE WHEN fn_b IS NOT NULL THEN {_FILL} || substr(fn_a, 1, fn_b) END",
    "RPAD": f"substr(fn_a || {_FILL}, 1, fn_b)",
    "REPEAT": "CASE WHEN fn_b IS NOT NULL THEN replace(hex(zeroblob(fn_b)), '00', fn_a) END",
    "REVERSE": (
        "(WITH RECURSIVE reversed(rest, done) AS (SELECT fn_a, '' UNION ALL"
        " SELECT substr(rest, 2), substr(rest, 1, 1) || done FROM reversed WHERE rest <> '')"
        " SELECT done FROM reversed WHERE rest = '')"
    ),
}
"""By a function's name, of its arguments fn_a, fn_b and fn_c."""

SOURCES = {
    "RAND": "(((random() >> 11) & 9007199254740991) / 9007199254740992.0)",
    "UUIDV4": (
        f"({_HEX.format(6)} || '4' || substr({_HEX.format(2)}, 2)"
        f" || substr('89ab', 1 + (random() & 3), 1) || substr({_HEX.format(2)}, 2)"
        f" || {_HEX.format(6)})"
    ),
}
"""Chance, which has no arguments."""

REFUSED = ("MD5", "SHA1", "SHA224", "SHA256", "SHA384", "SHA512")

Sql = tuple[str, Any]


class _OfService:
    """Compiles what Django gives SQLite functions for, in those of SQLite."""

    connection: Any

    def compile(self, node: Any) -> Sql:
        name = str(getattr(node, "function", None) or "").upper()
        if name in REFUSED:
            raise NotSupportedError(f"the service has no function {name}: compute it before")
        if name in OF_ARRAY:
            sql, params = node.as_sql(self, self.connection, function=ARRAY)
            return _number(node, f"(SELECT {OF_ARRAY[name]} FROM (SELECT {sql} AS var_j))"), params
        if name in BODIES:
            parts = [self.compile(one) for one in node.get_source_expressions()]
            named = ", ".join(
                f"{sql} AS fn_{letter}"
                for letter, (sql, _params) in zip("abc", parts, strict=False)
            )
            params = [value for _sql, values in parts for value in values]
            return _number(node, f"(SELECT {BODIES[name]} FROM (SELECT {named}))"), params
        if isinstance(node, functions.Random):
            return SOURCES["RAND"], []
        if name in SOURCES:
            return SOURCES[name], []
        if name == "ANY_VALUE":
            found: Sql = node.as_sql(self, self.connection, function="MIN")
            return found
        compiled: Sql = super().compile(node)  # type: ignore[misc]
        return compiled


def _number(node: Any, sql: str) -> str:
    """As Django has it for SQLite: only then a decimal, which is sent as text, equals it."""
    is_decimal = node.output_field.get_internal_type() == "DecimalField"
    return f"CAST({sql} AS NUMERIC)" if is_decimal else sql


class SQLCompiler(_OfService, compiler.SQLCompiler):
    pass


class SQLInsertCompiler(_OfService, compiler.SQLInsertCompiler):
    pass


class SQLDeleteCompiler(_OfService, compiler.SQLDeleteCompiler):
    pass


class SQLUpdateCompiler(_OfService, compiler.SQLUpdateCompiler):
    pass


class SQLAggregateCompiler(_OfService, compiler.SQLAggregateCompiler):
    pass
