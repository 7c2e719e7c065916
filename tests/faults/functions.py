"""Every function of SQLite with the largest values that it takes, sent as the bombs are.

python -m tests.faults.functions JSON     a line of JSON for each (name, expression) of a list
"""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from tests.faults import bombs
from tests.faults.report import FULL

LARGEST = (16 if FULL else 4) * 1024 * 1024 - 1000
"""The largest value is 16 MiB. A quarter shows as well what a call costs in copies of its value."""
ENTRIES = LARGEST // 18

VALUES = {
    "zeros": f"hex(zeroblob({LARGEST // 2}))",
    "needle": f"hex(zeroblob({LARGEST // 4})) || 'b'",
    "bytes": f"zeroblob({LARGEST})",
    "half": f"zeroblob({LARGEST // 2})",
    "quotes": f"replace(hex(zeroblob({LARGEST // 4})), '0', '''')",
    "wide": f"replace(hex(zeroblob({LARGEST // 4})), '0', 'é')",
    "dashes": f"replace(hex(zeroblob({LARGEST // 2})), '0', '-')",
    "digits": f"replace(hex(zeroblob({LARGEST // 2})), '0', '7')",
    "letters": f"replace(hex(zeroblob({LARGEST // 2})), '0', 'a')",
    "spaces": f"replace(hex(zeroblob({LARGEST // 2})), '0', ' ')",
    "escapes": f"replace(hex(zeroblob({LARGEST // 10})), '0', '\\0041')",
    "floats": f"replace(hex(zeroblob({LARGEST // 8})), '00', '%f')",
    "days": f"replace(hex(zeroblob({LARGEST // 4})), '00', '%j')",
    "times": f"replace(hex(zeroblob({LARGEST // 4})), '00', '%T')",
    "array": f"'[' || replace(hex(zeroblob({LARGEST // 2 - 10})), '00', '1,') || '1]'",
    "object": f"'{{' || (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
    f" LIMIT {ENTRIES}) SELECT group_concat('\"k' || i || '\":1') FROM n) || '}}'",
    "polygon": f"(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {ENTRIES})"
    " SELECT '[[0,0],' || group_concat('[' || (i % 9) || ',' || i || ']') || ',[0,0]]' FROM n)",
    "shape": "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000)"
    " SELECT '[[0,0],' || group_concat('[' || (i % 9) || ',' || i || ']') || ',[0,0]]' FROM n)",
    "deep": f"printf('%.*c', 900, '[') || replace(hex(zeroblob({LARGEST // 2 - 1000})), '00', '1,')"
    " || '1' || printf('%.*c', 900, ']')",
}  # fmt: skip
"""What the calls are made with, once stored: a row has at most 16 MiB too. Two polygons cost the
product of their vertices, so those that are compared are small."""

COPY = "SELECT length(quote(value)) FROM large WHERE name = 'quotes'"
"""By the processor time that this takes, right before each call, the machine's speed is known."""

COPIES_MAX = 40
"""So many times as long past its deadline may a call end that costs what its values are long."""

PATTERNS_COPIES_MAX = 500
"""And a LIKE or GLOB of the longest pattern, 200 bytes: the limit of the product of the two."""

PATTERNS = (
    "{zeros} LIKE '%" + "0" * 198 + "b'",
    "{zeros} LIKE '%0" + "_" * 196 + "b'",
    "{wide} LIKE '%" + "é" * 98 + "b'",
    "{zeros} LIKE '%" + "0" * 198 + "b' ESCAPE '!'",
    "{zeros} GLOB '*" + "0" * 198 + "b'",
    "{zeros} GLOB '*0" + "[0]" * 65 + "b'",
)

CALLS: dict[str, tuple[str, ...]] = {
    "->": ("{object} -> '$.none'",), "->>": ("{object} ->> '$.none'",),
    "bm25": (), "highlight": (), "snippet": (), "matchinfo": (), "offsets": (), "optimize": (),
    "fts5": (), "fts5_get_locale": (), "match": (), "fts3_tokenizer": (), "load_extension": (),
    "changes": (), "current_date": (), "current_time": (), "current_timestamp": (),
    "last_insert_rowid": (), "pi": (), "random": (), "total_changes": (), "sqlite_version": (),
    "sqlite_source_id": (), "fts5_source_id": (), "sqlite_compileoption_get": (), "sqlite_log": (),
    "geopoly_debug": (),
    "char": ("length(char(" + ",".join(["128512"] * 999) + "))",),
    "concat": ("length(concat({needle}, {needle}))",),
    "concat_ws": ("length(concat_ws({needle}, 'a', 'b'))", "concat_ws({bytes}, 1, 2, 3)"),
    "date": ("date({zeros})", "date('now', '+' || {digits} || ' days')"),
    "datetime": ("datetime({digits})", "datetime('now'" + ", '+1 month'" * 900 + ")"),
    "format": ("length(format({floats}))",), "printf": ("length(printf('%q', {quotes}))",
    "length(printf('%!.*s', 9000000, {wide}))", "length(printf({floats}))"),
    "strftime": ("length(strftime({days}, 'now'))", "length(strftime({times}, 'now'))"),
    "time": ("time({digits})",), "julianday": ("julianday({digits})",),
    "unixepoch": ("unixepoch({digits})",), "timediff": ("timediff({digits}, {digits})",),
    "fts5_insttoken": ("length(fts5_insttoken({zeros}))",),
    "fts5_locale": ("length(fts5_locale({needle}, {needle}))",),
    "glob": ("{letters} GLOB '*ab*c'",), "like": ("{letters} LIKE '%ab%c'",
    "{letters} LIKE '%ab%c' ESCAPE '!'"),
    "hex": ("length(hex({half}))",), "unhex": ("length(unhex({zeros}))",
    "unhex({dashes}, {zeros})", "length(unhex({dashes}, {dashes} || '.'))"),
    "instr": ("instr({zeros}, {needle})", "instr({bytes}, CAST({needle} AS BLOB))",
    "instr({wide}, {half})"),
    "replace": ("length(replace({zeros}, {needle}, 'x'))", "length(replace({zeros}, '0', ''))",
    "length(replace({zeros}, '00', 'x'))"),
    "trim": ("length(trim({zeros}, {needle}))", "length(trim({spaces}))",
    "length(trim({wide}, {wide}))"),
    "ltrim": ("length(ltrim({zeros}, {needle}))",), "rtrim": ("length(rtrim({zeros}, {needle}))",),
    "quote": ("length(quote({quotes}))", "length(quote({half}))"),
    "unistr": ("length(unistr({escapes}))",), "unistr_quote": ("length(unistr_quote({quotes}))",),
    "json": ("length(json({array}))", "length(json({object}))", "length(json({deep}))"),
    "json_array": ("length(json_array({needle}))",),
    "json_array_insert": ("length(json_array_insert({array}, '$[1]', 1))",),
    "json_array_length": ("json_array_length({array})",),
    "json_error_position": ("json_error_position({array} || ']')",),
    "json_extract": ("json_extract({object}, '$.none')", "json_extract({array}, '$[#-1]')"),
    "json_insert": ("length(json_insert({object}, '$.none', 1))",),
    "json_object": ("length(json_object({needle}, 1))",),
    "json_patch": ("length(json_patch({object}, '{{\"none\":1}}'))",
    "length(json_patch('{{}}', {array}))"),
    "json_pretty": ("length(json_pretty({array}, ''))", "length(json_pretty({deep}))"),
    "json_quote": ("length(json_quote({quotes}))",),
    "json_remove": ("length(json_remove({array}, '$[0]'))",),
    "json_replace": ("length(json_replace({object}, '$.none', 1))",),
    "json_set": ("length(json_set({array}, '$[0]', 1))",), "json_type": ("json_type({array})",),
    "json_valid": ("json_valid({array}, 6)",),
    "jsonb": ("length(jsonb({array}))",), "jsonb_array": ("length(jsonb_array({needle}))",),
    "jsonb_array_insert": ("length(jsonb_array_insert({array}, '$[1]', 1))",),
    "jsonb_extract": ("length(jsonb_extract({array}, '$'))",),
    "jsonb_insert": ("length(jsonb_insert({object}, '$.none', 1))",),
    "jsonb_object": ("length(jsonb_object({needle}, 1))",),
    "jsonb_patch": ("length(jsonb_patch({object}, '{{\"none\":1}}'))",),
    "jsonb_remove": ("length(jsonb_remove({array}, '$[0]'))",),
    "jsonb_replace": ("length(jsonb_replace({object}, '$.none', 1))",),
    "jsonb_set": ("length(jsonb_set({array}, '$[0]', 1))",),
    "geopoly_contains_point": ("geopoly_contains_point({polygon}, 1, 1)",),
    "geopoly_overlap": ("geopoly_overlap({shape}, {shape})",),
    "geopoly_within": ("geopoly_within({shape}, {shape})",),
    "geopoly_regular": ("length(geopoly_regular(0, 0, 1, 1000000))",),
    "geopoly_svg": ("length(geopoly_svg({polygon}))",),
    "geopoly_xform": ("length(geopoly_xform({polygon}, 1, 0, 0, 1, 1, 1))",),
    "rtreecheck": ("rtreecheck('shapes')",), "rtreedepth": ("rtreedepth({bytes})",),
    "rtreenode": ("length(rtreenode(2, x'0000ffff' || {half}))",),
    "randomblob": ("length(randomblob(16777000))",), "zeroblob": ("length(zeroblob(16777000))",),
    "round": ("round({digits}, 5)",), "substr": ("substr({wide}, -2, 1)",),
    "substring": ("substring({wide}, 8000000, 1)",),
    "likelihood": ("length(likelihood({zeros}, 0.5))",),
    "sqlite_compileoption_used": ("sqlite_compileoption_used({zeros})",),
    "group_concat": ("length(group_concat(value, {needle}))",),
    "string_agg": ("length(string_agg(value, {needle}))",),
    "json_group_object": ("length(json_group_object(value, value))",),
    "jsonb_group_object": ("length(jsonb_group_object(value, value))",),
    "nth_value": ("nth_value(value, 2) OVER ()",), "ntile": ("ntile(7) OVER ()",),
    "percentile": ("percentile(length(value), 50)",),
    "percentile_cont": ("percentile_cont(length(value), 0.5)",),
    "percentile_disc": ("percentile_disc(length(value), 0.5)",),
    "count": ("count(value)", "count(DISTINCT value)"),
}  # fmt: skip
"""Calls by function; none where it takes no value, is refused, or stands beside a virtual table's
own MATCH, of which there are bombs."""

OF_ONE = (
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "ceiling", "coalesce", "cos",
    "cosh", "degrees", "exp", "floor", "if", "iif", "ifnull", "length", "likely", "ln", "log",
    "log10", "log2", "lower", "max", "min", "nullif", "octet_length", "radians", "sign", "sin",
    "sinh", "sqrt", "subtype", "tan", "tanh", "trunc", "typeof", "unicode", "unlikely", "upper",
)  # fmt: skip
"""Given a long text, twice where one value is not enough."""

OF_TWO = frozenset({"coalesce", "if", "iif", "ifnull", "max", "min", "nullif"})
OF_NUMBERS = ("atan2", "mod", "pow", "power")
OF_POLYGONS = ("area", "bbox", "blob", "ccw", "group_bbox", "json")
OF_GROUPS = ("avg", "json_group_array", "jsonb_group_array", "median", "sum", "total")
OF_WINDOWS = (
    "cume_dist()", "dense_rank()", "first_value(value)", "lag(value)", "last_value(value)",
    "lead(value)", "percent_rank()", "rank()", "row_number()",
)  # fmt: skip


def calls() -> Iterator[tuple[str, str]]:
    """(function, expression over the rows of `large`), every function of SQLite in turn."""
    for name, expressions in CALLS.items():
        for expression in expressions:
            yield name, expression
    for name in OF_ONE:
        values = ", ".join(["{wide}"] * (1 + (name in OF_TWO)))
        yield name, f"length({name}({values}))"
        yield name, f"length({name}({values.replace('wide', 'digits')}))"
    for name in OF_NUMBERS:
        yield name, f"{name}({{digits}}, {{digits}})"
    for name in OF_POLYGONS:
        yield f"geopoly_{name}", f"length(geopoly_{name}({{polygon}}))"
    for name in OF_GROUPS:
        yield name, f"length({name}(value))"
    for call in OF_WINDOWS:
        yield call.partition("(")[0], f"{call} OVER (ORDER BY value)"


def names() -> set[str]:
    """The functions that `calls` knows of, those without a call too."""
    return {name for name, _expression in calls()} | set(CALLS)


def run(chosen: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return the outcome of each call, from a function with the memory of the bombs'."""
    return bombs.run_in_process("tests.faults.functions", json.dumps(chosen))


def _called(name: str, expression: str) -> dict[str, Any]:
    from handler import local

    stored = {key: f"(SELECT value FROM large WHERE name = '{key}')" for key in VALUES}
    query = "SELECT " + expression.format_map(stored)
    if "value" in expression:
        query += " FROM large"
    started_s = time.process_time()
    local.invoke({"query": COPY, "timeout_ms": 60_000})
    copied_s = time.process_time()
    outcome = bombs.sent({"query": query})
    # Of this process alone: a machine that does other things makes no call longer.
    past_s = time.process_time() - copied_s - bombs.TIMEOUT_MS / 1000
    outcome["past_s"] = round(min(outcome["past_s"], past_s), 3)
    copy_s = round(copied_s - started_s, 4)
    return {"name": name, "call": expression, "copy_s": copy_s, **outcome}


if __name__ == "__main__":
    bombs.prepare([
        "CREATE TABLE large (name TEXT PRIMARY KEY, value)",
        *(f"INSERT INTO large VALUES ('{name}', {value})" for name, value in VALUES.items()),
    ])  # fmt: skip
    for name, expression in json.loads(sys.argv[1]):
        sys.stdout.write(json.dumps(_called(name, expression)) + "\n")
        sys.stdout.flush()
