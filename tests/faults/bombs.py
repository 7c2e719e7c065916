"""Statements made to take all time or all memory; sent to a function of 512 MB in its own process.

python -m tests.faults.bombs     a line of JSON for each: name, code, seconds past its deadline, MB
"""

# ruff: noqa: E501 (a statement a line)

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.writers import ROOT

MEMORY_MB = 512
TIMEOUT_MS = 500
PACE_S = 0.03
"""What `pace_s` is on the machine for which the limits were chosen, idle."""

COUNT = "SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM big), (SELECT count(*) FROM loop)"
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
A_MILLION = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000000)"
MEGABYTE = "hex(zeroblob(500000))"

SETUP = (
    "CREATE TABLE t (n, x)",
    "CREATE TABLE big (n, x TEXT DEFAULT 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx')",
    "INSERT INTO t VALUES (1, 1)",
    f"INSERT INTO big (n) {A_MILLION.replace('1000000', '100000')} SELECT i FROM n",
    "CREATE TABLE loop (n)",
    "CREATE TRIGGER again AFTER INSERT ON loop BEGIN INSERT INTO loop VALUES (new.n + 1),"
    " (new.n + 2); END",
    "CREATE TABLE half (n)",
    "CREATE TRIGGER twice AFTER INSERT ON half WHEN new.n < 30 BEGIN"
    " INSERT INTO half VALUES (new.n + 1); INSERT INTO half VALUES (new.n + 1); END",
    "CREATE VIRTUAL TABLE words USING fts5(x)",
    f"INSERT INTO words {A_MILLION.replace('1000000', '20000')} SELECT 'a b c a' || i FROM n",
)


def _chain(count: int) -> str:
    views = ", ".join(f"v{n} AS (SELECT * FROM v{n - 1} UNION ALL SELECT * FROM v{n - 1})"
                      for n in range(1, count))  # fmt: skip
    return f"WITH v0 AS (SELECT 1), {views} SELECT count(*) FROM v{count - 1}"


BOMBS: dict[str, str | dict[str, Any]] = {
    "endless recursion": f"{ENDLESS} SELECT count(*) FROM n",
    "endless rows": f"{ENDLESS} SELECT i FROM n",
    "endless rows, none shown": f"{ENDLESS} SELECT i FROM n WHERE i < 0",
    "endless union": "WITH RECURSIVE n(i) AS (SELECT 1 UNION SELECT i + 1 FROM n) SELECT max(i) FROM n",
    "endless insert": f"INSERT INTO t {ENDLESS} SELECT i, randomblob(1000) FROM n",
    "endless insert of large values": f"INSERT INTO t {ENDLESS} SELECT i, zeroblob(10000000) FROM n",
    "endless create": f"CREATE TABLE u AS {ENDLESS} SELECT i, randomblob(4000) FROM n",
    "endless order": f"{ENDLESS} SELECT i FROM n ORDER BY -i",
    "endless order of large values": f"{ENDLESS} SELECT randomblob(100000) AS r FROM n ORDER BY r",
    "endless text": f"{ENDLESS} SELECT group_concat(i) FROM n",
    "endless array": f"{ENDLESS} SELECT json_group_array(i) FROM n",
    "endless object": f"{ENDLESS} SELECT json_group_object(i, i) FROM n",
    "endless window": f"{ENDLESS} SELECT sum(i) OVER (ORDER BY i DESC) FROM n",
    "endless distinct": f"{ENDLESS} SELECT count(DISTINCT randomblob(1000)) FROM n",
    "endless groups": f"{ENDLESS} SELECT count(*) FROM n GROUP BY i % 1000000",
    "endless queue": "WITH RECURSIVE n(i, x) AS (SELECT 1, randomblob(1000) UNION ALL"
    " SELECT i + 1, randomblob(1000) FROM n, (VALUES (1), (2)) ORDER BY 1) SELECT count(*) FROM n",
    "text that doubles": "WITH RECURSIVE n(x) AS (SELECT 'ab' UNION ALL SELECT x || x FROM n)"
    " SELECT length(x) FROM n",
    "replace that grows": "WITH RECURSIVE n(x) AS (SELECT 'a' UNION ALL"
    " SELECT replace(x, 'a', 'aaaa') FROM n) SELECT length(x) FROM n",
    "zeroblob": "SELECT zeroblob(1e9)",
    "zeroblobs at the limit": "SELECT " + ", ".join(["zeroblob(16000000)"] * 100),
    "one value in many columns": "SELECT " + ", ".join(["z"] * 1000) + " FROM (SELECT zeroblob(16000000) AS z)",
    "large rows behind small ones": f"{ENDLESS} SELECT iif(i < 5000, 1, zeroblob(16000000)) FROM n",
    "large rows in all columns": f"{ENDLESS} SELECT " + ", ".join(["zeroblob(1000000)"] * 90) + " FROM n",
    "randomblob": "SELECT randomblob(1e9)",
    "hex": "SELECT hex(zeroblob(16000000))",
    "hex of hex": "SELECT hex(hex(hex(hex(zeroblob(1000000)))))",
    "printf": "SELECT printf('%*c', 1000000000, 'a')",
    "printf of a precision": "SELECT printf('%.*f', 1000000000, 1.0)",
    "printf of many": "SELECT printf('" + "%99999d" * 1000 + "')",
    "quote": "SELECT quote(quote(quote(zeroblob(4000000))))",
    "char": "SELECT " + " || ".join(["char(" + ",".join(["128512"] * 100) + ")"] * 400),
    "LIKE of many": f"SELECT {MEGABYTE} LIKE '" + "%0" * 90 + "%b'",
    "LIKE of single characters": f"SELECT {MEGABYTE} LIKE '" + "%_" * 90 + "%b'",
    "LIKE of a long pattern": f"SELECT {MEGABYTE} LIKE '%' || hex(zeroblob(24000)) || 'b'",
    "LIKE near its limit": "SELECT hex(zeroblob(100000)) LIKE '%' || hex(zeroblob(98)) || 'b'",
    "GLOB of many": f"SELECT {MEGABYTE} GLOB '" + "*0" * 90 + "*b'",
    "GLOB of sets": f"SELECT {MEGABYTE} GLOB '" + "*[0-9]" * 30 + "*b'",
    "LIKE of a column": "SELECT count(*) FROM big a, big b WHERE a.x || b.n LIKE '%x%x%x%x%x%y'",
    "deep NOT": "SELECT " + "NOT " * 100_000 + "1",
    "deep parentheses": "SELECT " + "(" * 100_000 + "1" + ")" * 100_000,
    "deep sum": "SELECT " + "+".join(["1"] * 100_000),
    "deep select": "SELECT * FROM (" * 5_000 + "SELECT 1" + ")" * 5_000,
    "many unions": " UNION ALL ".join(["SELECT 1"] * 40_000),
    "many columns": "SELECT " + ",".join(["1"] * 100_000),
    "many values": "INSERT INTO t VALUES " + ",".join(["(1,2)"] * 100_000),
    "many in a list": "SELECT 1 IN (" + ",".join(map(str, range(150_000))) + ")",
    "many tables": "SELECT count(*) FROM " + ",".join(["t"] * 64),
    "too many tables": "SELECT count(*) FROM " + ",".join(["t"] * 1000),
    "a long text": "SELECT '" + "a" * 999_980 + "'",
    "parameters": {"query": "SELECT " + ",".join(["?"] * 1_900), "parameters": [1] * 1_900},
    "32,000 parameters": {
        "query": "SELECT 1 IN (" + ",".join(["?"] * 32_000) + ")",
        "parameters": [1] * 32_000,
    },
    "too many parameters": {
        "query": "SELECT 1 IN (" + ",".join(["?"] * 33_000) + ")",
        "parameters": [1] * 33_000,
    },
    "a parameter of a large number": {"query": "SELECT ?32766", "parameters": [1]},
    "many sets": {"query": f"{ENDLESS} SELECT ? FROM n", "parameter_sets": [[1]] * 100_000},
    "cross join": "SELECT count(*) FROM big a, big b, big c, big d",
    "cross join, ordered": "SELECT a.n FROM big a, big b ORDER BY a.x, b.n DESC",
    "views that double": _chain(40),
    "JSON made deep": "SELECT json(printf('%.*c', 100000, '[') || printf('%.*c', 100000, ']'))",
    "JSON made long": "SELECT json_extract('[' || replace(hex(zeroblob(4000000)), '00', '1,') || '1]', '$[#-1]')",
    "JSON walked": "SELECT count(*) FROM json_tree('[' || replace(hex(zeroblob(1000000)), '00', '1,') || '1]') a, json_each('[1,2,3,4,5,6,7,8,9]') b, json_each('[1,2,3,4,5,6,7,8,9]') c",
    "JSON patched": f"{ENDLESS.replace('SELECT 1 ', 'SELECT json_array(1) ').replace('i + 1', 'json_array(i, i)')} SELECT length(i) FROM n",
    "trigger upon itself": "INSERT INTO loop VALUES (1)",
    "trigger that doubles": "INSERT INTO half VALUES (1)",
    "series": "SELECT count(*) FROM pragma_table_info('t') a, big b, big c",
    "FTS5 of prefixes": "SELECT count(*) FROM words WHERE words MATCH '" + " OR ".join(["a*"] * 200) + "'",
    "FTS5 NEAR": "SELECT count(*) FROM words a, words b WHERE a.words MATCH 'NEAR(a b c, 100)'",
    "FTS5 highlight": "SELECT max(length(highlight(words, 0, x.x, x.x))) FROM words, (SELECT hex(zeroblob(1000)) AS x) x WHERE words MATCH 'a'",
    "update of all, large": "UPDATE big SET x = randomblob(10000)",
    "index of large values": "CREATE INDEX large ON big (n, x || hex(randomblob(2000)))",
    "a date far away": f"{ENDLESS} SELECT datetime('now', '+' || i || ' days') FROM n WHERE i < 0",
    "EXPLAIN of many": "EXPLAIN SELECT " + " + ".join(["(SELECT count(*) FROM big)"] * 500),
    "one change of one": "WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT x FROM c) SELECT * FROM c, c d, c e",
}  # fmt: skip


def run(names: Sequence[str], *, limited: bool = True) -> dict[str, dict[str, Any]]:
    """Return the outcome of each bomb, from a function with `MEMORY_MB` in a process of its own."""
    outcomes = run_in_process("tests.faults.bombs", *names, limited=limited)
    return {outcome["name"]: outcome for outcome in outcomes}


def run_in_process(module: str, *arguments: str, limited: bool = True) -> list[dict[str, Any]]:
    """The lines of JSON that a module writes, run as a function with `MEMORY_MB`."""
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env={
                **os.environ,
                "SQLATCH_DATABASES": directory,
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(MEMORY_MB),
                "TEST_WITHOUT": "" if limited else "memory",
            },
            capture_output=True,
            text=True,
            check=False,
        )
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"ended after {len(outcomes)}: {done.stderr[-500:]}"
    return outcomes


def prepare(statements: Sequence[str]) -> None:
    """Run the statements that set the database up, in the process that has the function."""
    from handler import local

    for sql in statements:
        local.invoke({"query": sql, "timeout_ms": 60_000})


def sent(event: dict[str, Any]) -> dict[str, Any]:
    """Return the outcome of an event with `TIMEOUT_MS`, which must not keep its lease."""
    from handler import local
    from handler.service import service
    from sqlatch.kernel.errors import SqlatchError

    # Without the limits the deadline is not to be what saves the memory.
    timeout_ms = TIMEOUT_MS * (20 if os.environ.get("TEST_WITHOUT") == "memory" else 1)
    Path("/proc/self/clear_refs").write_text("5")
    started_s = time.monotonic()
    code = "answered"
    try:
        local.invoke({**event, "timeout_ms": timeout_ms})
    except SqlatchError as error:
        code = error.code
    past_s = time.monotonic() - started_s - timeout_ms / 1000
    assert service().leases.held() == [], event
    return {"code": code, "past_s": round(past_s, 3), "peak_mb": _peak_mb()}


def _explode(name: str) -> dict[str, Any]:
    from handler import local

    bomb = BOMBS[name]
    rows = local.invoke({"query": COUNT})["rows"]
    slowness = pace_s() / PACE_S
    outcome = sent({"query": bomb} if isinstance(bomb, str) else bomb)
    slowness = max(1.0, slowness, pace_s() / PACE_S)
    if outcome["code"] != "answered":
        assert local.invoke({"query": COUNT})["rows"] == rows, f"{name} wrote"
    return {"name": name, "slowness": round(slowness, 2), **outcome}


def pace_s() -> float:
    """The seconds that this machine takes now for a piece of work like the bombs' own."""
    started_s = time.monotonic()
    pages = [bytes(4096) for _ in range(5_000)]
    b"".join(pages).count(b"\1")
    return time.monotonic() - started_s


def _peak_mb() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


if __name__ == "__main__":
    from handler import service

    if os.environ.get("TEST_WITHOUT") == "memory":
        vars(service)["limit_memory"] = lambda _bytes: None
    prepare(SETUP)
    for chosen in sys.argv[1:] or BOMBS:
        sys.stdout.write(json.dumps(_explode(chosen)) + "\n")
        sys.stdout.flush()
