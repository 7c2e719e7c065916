"""Events as no caller should send them: of every door, valid ones broken, in JSON."""

import base64
import json
from functools import cache
from typing import Any
from urllib.parse import urlencode

from hypothesis import strategies as st

from events import url
from tests.writers import ROOT

NAMES = (
    "query", "parameters", "parameter_sets", "statements", "database", "read_only", "health",
    "idempotency_key", "rows_as", "rows_max", "timeout_ms", "base64", "real", "Records", "source",
    "messageId", "body", "attributes", "MessageGroupId", "requestContext", "http", "method",
    "headers", "rawPath", "path", "httpMethod", "isBase64Encoded", "stage", "version",
)  # fmt: skip
TEXTS = (
    "", "main", "other", "../main", "SELECT 1", "POST", "GET", "/query", "/read", "/health", "{}",
    "null", "[]", "aws.events", "arrays", "objects", "Infinity", "AA==", "=", "\0", "\ud800",
    "{\"query\": \"SELECT 1\"}", "9" * 400, "é" * 300, "gzip", "$default", "Idempotency-Key",
)  # fmt: skip
SQL = (
    "SELECT 1", "SELECT * FROM t", "SELECT ?1, :a, @b, $c, ?", "INSERT INTO t VALUES (?, ?)",
    "INSERT INTO t VALUES (:a, :b) RETURNING *", "UPDATE t SET n = n + 1", "DELETE FROM t",
    "CREATE TABLE IF NOT EXISTS u (n)", "DROP TABLE IF EXISTS u", "VACUUM", "BEGIN", "COMMIT",
    "ROLLBACK", "SAVEPOINT work", "RELEASE work", "PRAGMA table_info(t)", "PRAGMA user_version = 3",
    "EXPLAIN SELECT 1", "EXPLAIN QUERY PLAN DELETE FROM t", "ANALYZE", "REINDEX",
    "SELECT x'00', 9e999, -9e999, NULL, 'a' || char(0)", "SELECT CAST(x'ff' AS TEXT)",
    "INSERT OR ROLLBACK INTO t VALUES (1, 1)", "INSERT OR FAIL INTO t VALUES (9, 9), (1, 1)",
    "REPLACE INTO t VALUES (1, NULL)", "WITH x AS (SELECT 1) SELECT * FROM x, x AS y",
    "SELECT 1 AS a, 2 AS a, 3 AS 'a:1'", "SELECT (SELECT 1, 2)", "VALUES (1), (2, 3)",
    "SELECT RAISE(ROLLBACK, 'x')", "PRAGMA optimize", "PRAGMA integrity_check(0)", ";", "--", "/*",
    "SELECT 1;;", "SELECT 1; SELECT 2", "CREATE TABLE t (n)", "ALTER TABLE u RENAME TO v",
    "DROP TABLE IF EXISTS v", "SELECT json('{')", "SELECT abs(-9223372036854775808)",
    "SELECT * FROM sqlatch_idempotency", "ATTACH 'x' AS y", "CREATE TEMP TABLE t (n)",
    "SELECT zeroblob(-1), randomblob(0)", "SELECT substr('a', -9223372036854775808, 1)",
    "SELECT strftime('%f', 1e300)", "SELECT 'a' LIKE 'b' ESCAPE 'cc'", "SELECT \"no such\"",
)  # fmt: skip

ASKING = (
    {"at": "2026-11-01T00:00:00Z"}, {"at": "0000000000000000"}, {"at": "ffffffffffffffff"},
    {"at_least": "0000000000000001"}, {"max_age_ms": 0}, {"max_age_ms": 1_000}, {"page": "first"},
    {"page": "AA=="}, {"link": "csv"}, {"link": "jsonl.gz"}, {"costs": True},
)  # fmt: skip

scalars = (
    st.none()
    | st.booleans()
    | st.sampled_from((0, 1, -1, 2**63 - 1, 2**63, -(2**63) - 1, 10**40, 0.5, 1e308, -0.0))
    | st.sampled_from(TEXTS)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
)
garbage = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=8,
)
statements = st.sampled_from(SQL) | st.text(max_size=30) | st.lists(
    st.sampled_from(" ".join(SQL).split()), max_size=8
).map(" ".join)  # fmt: skip
values = st.lists(scalars | st.just({"base64": "AA=="}), max_size=3)
parameters = values | st.dictionaries(st.sampled_from("abc"), scalars, max_size=3)


@st.composite
def queries(draw: st.DrawFn) -> dict[str, Any]:
    """Well formed requests, of statements that need not be."""
    event: dict[str, Any] = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "database": st.sampled_from(("main", "other", "third")),
                "read_only": st.booleans(),
                "idempotency_key": st.sampled_from(("k", "l")),
                "rows_as": st.sampled_from(("arrays", "objects")),
                "rows_max": st.integers(1, 3),
                "timeout_ms": st.sampled_from((1, 50, 500)),
            },
        )
    )
    if draw(st.booleans()):
        event |= draw(st.sampled_from(ASKING))
    if draw(st.booleans()):
        return {**event, **draw(one_statement())}
    return {**event, "statements": draw(st.lists(one_statement(), min_size=1, max_size=4))}


@st.composite
def one_statement(draw: st.DrawFn) -> dict[str, Any]:
    statement: dict[str, Any] = {"query": draw(statements)}
    kind = draw(st.sampled_from(("none", "one", "sets")))
    if kind == "one":
        statement["parameters"] = draw(parameters)
    if kind == "sets":
        statement["parameter_sets"] = draw(st.lists(parameters, max_size=3))
    return statement


@st.composite
def events(draw: st.DrawFn) -> Any:
    """An event of one of the doors, whole, broken in up to three places, or garbage."""
    kind = draw(st.sampled_from(("direct", "http", "sqs", "sample", "garbage")))
    if kind == "garbage":
        return draw(garbage)
    if kind == "sample":
        event: Any = json.loads(draw(st.sampled_from(_samples())))
    elif kind == "direct":
        event = draw(queries())
    elif kind == "http":
        event = _in_http(draw, draw(st.sampled_from(_enveloped("http"))))
    else:
        event = _in_sqs(draw, draw(st.sampled_from(_enveloped("sqs"))))
    for _place in range(draw(st.sampled_from((0, 0, 1, 1, 2, 3)))):
        event = _broken(draw, event)
    return event


def _body(draw: st.DrawFn) -> str:
    request = draw(queries())
    if draw(st.integers(0, 4)) == 0:
        request = _broken(draw, request)
    text = json.dumps(request)
    return draw(st.sampled_from((text, text, text, text[:-1], text * 2, "", "null", "NaN")))


def _in_http(draw: st.DrawFn, sample: str) -> Any:
    event = json.loads(sample)
    body = _body(draw)
    packed = draw(st.booleans())
    event["body"] = base64.b64encode(body.encode()).decode() if packed else body
    event["isBase64Encoded"] = packed if draw(st.integers(0, 9)) else not packed
    path = draw(st.sampled_from(("/query", "/query", "/read", "/health", "/", "/prod/query", "")))
    event["rawPath"] = event["path"] = path
    return _in_url(draw, event) if path == "/read" and draw(st.booleans()) else event


def _in_url(draw: st.DrawFn, event: Any) -> Any:
    """The same as a read in the URL, whose fields are texts."""
    fields = {name: _in_text(value) for name, value in draw(queries()).items()}
    if draw(st.integers(0, 3)):
        fields = {name: text for name, text in fields.items() if name in url.FIELDS}
    method = draw(st.sampled_from(("GET", "HEAD")))
    event["headers"]["if-none-match"] = draw(st.sampled_from(("", "*", 'W/"a", "', '"é"')))
    if "httpMethod" in event:
        return {**event, "httpMethod": method, "queryStringParameters": fields}
    text = urlencode(fields, errors="surrogatepass")
    event["requestContext"]["http"]["method"] = method
    return {**event, "rawQueryString": draw(st.sampled_from((text, text, text[:-1], f"{text}&a")))}


def _in_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _in_sqs(draw: st.DrawFn, sample: str) -> Any:
    event = json.loads(sample)
    for record in event["Records"]:
        record["body"] = _body(draw)
        record["messageId"] = draw(st.sampled_from(("m1", "m2", "m3", "m4")))
    return event


def _broken(draw: st.DrawFn, event: Any) -> Any:
    """The event with one place, at any depth, replaced, dropped or wrapped."""
    if not isinstance(event, dict | list) or not event or draw(st.integers(0, 5)) == 0:
        return draw(garbage | st.just([event]) | st.just({"query": event}))
    place = draw(st.sampled_from(sorted(event) if isinstance(event, dict) else range(len(event))))
    copy: Any = event.copy()
    if draw(st.integers(0, 3)) == 0:
        del copy[place]
    else:
        copy[place] = _broken(draw, event[place])
    return copy


@cache
def _samples() -> list[str]:
    return [path.read_text() for path in sorted((ROOT / "events/samples").glob("*.json"))]


def _enveloped(door: str) -> list[str]:
    return [path.read_text() for path in sorted((ROOT / "events/samples").glob(f"*-{door}*.json"))]
