"""Requests of the libSQL door as no client should send them: valid ones broken, direct and in HTTP.

Seeded: the same seed makes the same requests. A baton is a place among those that were answered.
"""

import base64
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from tests.faults.hostile_events import SQL

if TYPE_CHECKING:
    from collections.abc import Callable

MORE_SQL = (
    "BEGIN IMMEDIATE", "BEGIN TRANSACTION READONLY", "ROLLBACK TO work", "ROLLBACK TO \"work\"",
    "PRAGMA foreign_keys = off", "PRAGMA foreign_keys", "SELECT last_insert_rowid()",
    "SELECT @a, ?",
    "SELECT total_changes(), random(), date('now')", "INSERT INTO t (n) VALUES (?)", "SELECT ?3",
    "SAVEPOINT \"a\0b\"", "SELECT '\0'", "SELECT '\ud800'", "SELECT 1 -- \0", "WITH", "", " \t\n",
    "SELECT count(*) FROM t", "SELECT * FROM t WHERE id = :a", "VACUUM INTO 'x'", "END; ; COMMIT",
    "SELECT " + "(" * 400 + "1" + ")" * 400, "SELECT " + "-" * 4_000 + "1", "'", "SELECT 'x",
    "INSERT INTO t (n) VALUES (zeroblob(3000)); SELECT 1", "SELECT nothing FROM t",
    "SELECT * FROM tt",
    "CREATE TABLE IF NOT EXISTS w (a INTEGER, \"b c\" TEXT)", "DROP TABLE w",
    "EXPLAIN DELETE FROM t",
    "SELECT replace(hex(zeroblob(3000)), '0', x'22')", "SELECT 1e999", "SELECT zeroblob(200000)",
    "INSERT OR ROLLBACK INTO t VALUES (1, 1)", "SELECT n AS \"" + "x" * 3_000 + "\" FROM t",
)  # fmt: skip
TYPES = (
    "execute", "batch", "sequence", "describe", "store_sql", "close_sql", "get_autocommit", "close",
)  # fmt: skip
NAMES = (
    "type", "stmt", "sql", "sql_id", "args", "named_args", "arg_sets", "want_rows", "value",
    "base64", "baton", "requests", "batch", "steps", "condition", "cond", "conds", "step", "name",
    "pipeline", "database", "idempotency_key", "x",
)  # fmt: skip
LITERALS = (
    "NaN", "-Infinity", "1e999", "9" * 400, "-" + "9" * 5_000, "1." + "0" * 400,
    "[" * 400 + "]" * 400,
    '{"type":"not","cond":' * 300 + "null" + "}" * 300, '"\\ud800"', '"\\u0000"', "truE", "01", "",
)  # fmt: skip
"""What stands in a body in place of a value: not all of it is JSON, and json.dumps makes none."""

PATHS = (
    "/main/v2/pipeline", "/main/v3/pipeline", "/main/v3/cursor", "/main/v1/execute",
    "/main/v1/batch",
)  # fmt: skip
BAD_PATHS = (
    "/v2/pipeline", "//v3/pipeline", "/main//v3//pipeline/", "/other/v3/pipeline",
    "/Main/v2/pipeline",
    "/../v2/pipeline", "/main/v1/pipeline", "/main/v3", "/main/v3-protobuf/pipeline",
    "/main/v4/pipeline",
    "/main\0/v2/pipeline", "/é/v2/pipeline", "/sqlatch_/v3/cursor", "/v1", "/main/v2/",
    "/main/v2/x/y",
)  # fmt: skip
BATONS_KEPT = 10
MARK = "in place of a literal"

VALUES: tuple[dict[str, Any], ...] = (
    {"type": "null"}, {"type": "integer", "value": "5"}, {"type": "integer", "value": -7},
    {"type": "float", "value": 0.5}, {"type": "real", "value": -1e308},
    {"type": "blob", "base64": "AAE"}, {"type": "text", "value": "a\0b"},
    {"type": "text", "value": "é\"\\"},
    {"type": "integer", "value": "9" * 20}, {"type": "integer", "value": "9" * 5_000},
    {"type": "integer", "value": "1_0"}, {"type": "integer", "value": " 1"},
    {"type": "float", "value": 10**400}, {"type": "float", "value": MARK},
    {"type": "text", "value": "\ud800"}, {"type": "blob", "base64": "A"},
    {"type": "blob", "value": "=A"}, {"type": "date"}, {"type": ["x"]}, {}, {"type": "text"},
    {"type": "blob", "base64": "é"},
)  # fmt: skip
"""Eight that a client may send, then others."""

TAME_SQL = tuple(sql for sql in SQL + MORE_SQL if "\0" not in sql and "\ud800" not in sql)


@dataclass
class Sent:
    """One request: an event for the handler, and the types of its pipeline's requests."""

    event: Any
    types: list[str] | None
    is_direct: bool
    is_broken: bool


class Hostile:
    """Makes requests. `batons` are those of the last answers; `bearers` what stands in a header."""

    def __init__(self, seed: int, bearers: list[str]) -> None:
        self.batons: deque[str] = deque(maxlen=BATONS_KEPT)
        self._random = Random(seed)
        self._wild = True
        self._bearers = bearers

    def next(self) -> Sent:
        """The next request. Half are whole, and half of those hold only what clients send."""
        chance = self._random
        self._wild = chance.random() < 0.5
        breaks = chance.choice((0, 0, 0, 1, 2, 3))
        path = chance.choice(PATHS if not self._wild or chance.random() < 0.8 else BAD_PATHS)
        what = path.rstrip("/").rpartition("/")[2]
        makes: dict[str, Callable[[], Any]] = {
            "cursor": lambda: {"baton": self._baton(), "batch": self._batch()},
            "execute": lambda: {"stmt": self._stmt()},
            "batch": lambda: {"batch": self._batch()},
        }
        make: Callable[[], Any] = makes.get(what, self._pipeline)
        body = make()
        types = [request["type"] for request in body.get("requests", ())]
        if what == "pipeline" and chance.random() < 0.4:
            return self._direct(body, types, breaks)
        for _place in range(breaks):
            body = self._broken(body)
        return self._http(path, body, types if what == "pipeline" else None, broken=breaks > 0)

    def _direct(self, body: Any, types: list[str], breaks: int) -> Sent:
        chance = self._random
        event: Any = {"pipeline": body}
        if chance.random() < 0.3:
            event["idempotency_key"] = chance.choice(("k", "l", ""))
        if chance.random() < 0.2:
            event["database"] = chance.choice(("main", "other", "Main"))
        for _place in range(breaks):
            event = self._broken(event)
        return Sent(_with_literals(event), types, is_direct=True, is_broken=breaks > 0)

    def _http(self, path: str, body: Any, types: list[str] | None, *, broken: bool) -> Sent:
        chance = self._random
        text = json.dumps(body)
        while f'"{MARK}"' in text:
            text = text.replace(f'"{MARK}"', chance.choice(LITERALS), 1)
        if self._wild and chance.random() < 0.1:
            broken = True
            cut = chance.randrange(len(text) + 1)
            text = chance.choice((text[:cut], text * 2, text[:cut] + "\0" + text[cut:], "", "[]"))
        content = text.encode(errors="surrogatepass")
        if self._wild and chance.random() < 0.05:
            broken = True
            content = content[: len(content) // 2] + b"\xff\xc0" + content[len(content) // 2 :]
        packed = chance.random() < 0.5
        headers = {"authorization": self._bearers[0], "host": "h"}
        if self._wild and chance.random() < 0.2:
            headers["authorization"] = chance.choice(self._bearers)
        if chance.random() < 0.2:
            headers["accept-encoding"] = "gzip"
        if self._wild and chance.random() < 0.2:
            headers["idempotency-key"] = chance.choice(("k", "l", "", "\0", "é", "x" * 3_000))
        method = "POST"
        if self._wild and chance.random() < 0.05:
            method = chance.choice(("GET", "PUT", "", "post"))
        event = {
            "version": "2.0",
            "rawPath": path,
            "headers": headers,
            "requestContext": {"http": {"method": method}, "stage": "$default"},
            "body": base64.b64encode(content).decode()
            if packed
            else content.decode(errors="replace"),
            "isBase64Encoded": packed,
        }
        return Sent(event, types, is_direct=False, is_broken=broken or method != "POST")

    def _pipeline(self) -> dict[str, Any]:
        requests = [self._request() for _number in range(self._random.choice((0, 1, 1, 2, 3, 6)))]
        if not self._wild:
            requests.sort(key=lambda request: request["type"] == "close")
            ends = [request["type"] for request in requests].count("close")
            requests = requests[: len(requests) - max(0, ends - 1)]
        return {"baton": self._baton(), "requests": requests}

    def _baton(self) -> str | None:
        chance = self._random
        if not self.batons or chance.random() < 0.4:
            return None
        baton = chance.choice(self.batons)
        if not self._wild or chance.random() < 0.5:
            return baton
        at = chance.randrange(len(baton))
        return chance.choice((
            baton[:at], baton[at:], baton[:at] + "A" + baton[at + 1 :], baton + "=", baton[::-1],
            baton + baton, baton[:at] + "\0" + baton[at:], baton.lower(), "é" + baton, "",
            "AAAA" * 9,
            baton[:at] + "-" + baton[at:], " " + baton, "\ud800",
        ))  # fmt: skip

    def _request(self) -> dict[str, Any]:
        chance = self._random
        kind = chance.choice(("execute",) * 5 + TYPES)
        request: dict[str, Any] = {"type": kind}
        if kind == "execute":
            request["stmt"] = self._stmt()
        elif kind == "batch":
            request["batch"] = self._batch()
        elif kind in {"sequence", "describe"}:
            request |= self._text()
            if kind == "sequence" and "sql" in request:
                request["sql"] = "; ".join(
                    self._sql() for _number in range(chance.choice((1, 2, 4)))
                )
        elif kind == "store_sql":
            request |= {"sql_id": self._number(), "sql": self._sql()}
        elif kind == "close_sql":
            request["sql_id"] = self._number()
        return request

    def _text(self) -> dict[str, Any]:
        stored = self._random.random() < (0.1 if self._wild else 0.02)
        return {"sql_id": self._number()} if stored else {"sql": self._sql()}

    def _number(self) -> int:
        return self._random.choice(
            (0, 1, 2, 3, -1, 2**31, 2**63, 10**400)[: None if self._wild else 4]
        )

    def _sql(self) -> str:
        chance = self._random
        sql = chance.choice(SQL + MORE_SQL if self._wild else TAME_SQL)
        if chance.random() < 0.1:
            words = " ".join(SQL).split()
            sql = " ".join(chance.choice(words) for _number in range(chance.randrange(8)))
        if self._wild and chance.random() < 0.1:
            at = chance.randrange(len(sql) + 1)
            sql = (
                sql[:at]
                + chance.choice(("\0", "\ud800", "é", ";", "'", "?", ":a", "--"))
                + sql[at:]
            )
        return sql

    def _stmt(self) -> dict[str, Any]:
        chance = self._random
        stmt = self._text()
        kind = chance.choice(("none", "args", "args", "named", "sets", "both"))
        if kind in {"args", "both"}:
            stmt["args"] = [self._value() for _number in range(chance.randrange(4))]
        if kind in {"named", "both"}:
            names = ("a", ":a", "@a", "$a", "b", "?3", "3", "", "\0", "#d")[
                : None if self._wild else 5
            ]
            stmt["named_args"] = [
                {"name": chance.choice(names), "value": self._value()}
                for _number in range(chance.randrange(4))
            ]
        if kind == "sets":
            stmt["arg_sets"] = [
                [self._value() for _value in range(chance.randrange(3))]
                for _number in range(chance.randrange(3))
            ]
        if chance.random() < 0.2:
            stmt["want_rows"] = chance.choice((True, False, None))
        return stmt

    def _value(self) -> dict[str, Any]:
        return self._random.choice(VALUES if self._wild else VALUES[:8])

    def _batch(self) -> dict[str, Any]:
        chance = self._random
        steps: list[dict[str, Any]] = []
        for number in range(chance.choice((0, 1, 2, 3, 8))):
            step: dict[str, Any] = {"stmt": self._stmt()}
            if chance.random() < 0.5 and (number or self._wild):
                step["condition"] = self._condition(number, depth=0)
            steps.append(step)
        return {"steps": steps}

    def _condition(self, number: int, *, depth: int) -> Any:
        chance = self._random
        if self._wild and chance.random() < 0.02:
            condition: Any = {"type": "is_autocommit"}
            for _level in range(chance.choice((49, 50, 51, 120, 190))):
                condition = {"type": "not", "cond": condition}
            return condition
        kind = chance.choice(("ok", "error", "is_autocommit", "not", "and", "or"))
        if kind in {"ok", "error"} or depth > 3:
            at = chance.choice((0, number - 1, number - 1, number, -1, 2**70))
            if not self._wild:
                at = chance.randrange(max(1, number))
            return {"type": "ok" if depth > 3 else kind, "step": at}
        if kind == "not":
            return {"type": kind, "cond": self._condition(number, depth=depth + 1)}
        if kind == "is_autocommit":
            return {"type": kind}
        several = [self._condition(number, depth=depth + 1) for _one in range(chance.randrange(3))]
        return {"type": kind, "conds": several}

    def _broken(self, content: Any) -> Any:
        """The content with one place, at any depth, replaced, dropped, added to or wrapped."""
        chance = self._random
        if not isinstance(content, dict | list) or not content or chance.random() < 0.15:
            return self._garbage(content)
        place = chance.choice(sorted(content) if isinstance(content, dict) else range(len(content)))
        copy: Any = content.copy()
        if chance.random() < 0.15:
            del copy[place]
        elif chance.random() < 0.1 and isinstance(copy, dict):
            copy[chance.choice(NAMES)] = self._garbage(None)
        else:
            copy[place] = self._broken(content[place])
        return copy

    def _garbage(self, content: Any) -> Any:
        chance = self._random
        makers: tuple[Callable[[], Any], ...] = (
            lambda: None, lambda: True, lambda: 0, lambda: -1, lambda: 2**63, lambda: 10**400,
            lambda: 0.5, lambda: "", lambda: "\0", lambda: "\ud800", lambda: "x" * 2_000, list,
            dict, lambda: [content], lambda: {"type": content}, lambda: MARK, lambda: _deep(400),
            lambda: chance.choice(TYPES), self._sql, self._value, lambda: [content] * 3,
            lambda: {chance.choice(NAMES): content},
        )  # fmt: skip
        return chance.choice(makers)()


def _deep(levels: int) -> Any:
    content: Any = []
    for _level in range(levels):
        content = [content]
    return content


def _with_literals(content: Any) -> Any:
    """A direct event has no text: what JSON's parser makes of a literal stands there."""
    if content == MARK:
        return float("inf")
    if isinstance(content, dict):
        return {name: _with_literals(each) for name, each in content.items()}
    if isinstance(content, list):
        return [_with_literals(each) for each in content]
    return content
