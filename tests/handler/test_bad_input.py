"""Bad input: each gets the error that the contract names, changes nothing and leaves no lease."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from handler import local
from handler.service import service
from locking.clock import Clock
from sqlatch.kernel.errors import SqlatchError
from tests.conftest import Ask, forget
from tests.faults.machine import Time
from tests.nobody import as_nobody

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
DEEP = "NOT " * 2000 + "1"

BAD_EVENTS: dict[str, tuple[Any, str, str]] = {
    "a text": ("SELECT 1", "", "should be a valid dictionary"),
    "a list": ([], "", "should be a valid dictionary"),
    "nothing": (None, "", "should be a valid dictionary"),
    "no query": ({"database": "main"}, "", "exactly one of `query` and `statements`"),
    "both": ({"query": "SELECT 1", "statements": [{"query": "SELECT 1"}]}, "", "exactly one"),
    "no statements": ({"statements": []}, "statements", "at least 1"),
    "too many statements": ({"statements": [{"query": "SELECT 1"}] * 1001}, "statements", "1,000"),
    "parameters without query": (
        {"statements": [{"query": "SELECT 1"}], "parameters": [1]},
        "",
        "beside the `query`",
    ),
    "both parameters": (
        {"query": "SELECT ?", "parameters": [1], "parameter_sets": [[1]]},
        "",
        "not both",
    ),
    "unknown field": ({"query": "SELECT 1", "sql": ""}, "sql", "is not a field of a request"),
    "unknown field within": (
        {"statements": [{"query": "SELECT 1", "database": "x"}]},
        "statements.0.database",
        "is not a field",
    ),
    "query of a wrong type": ({"query": 1}, "query", "valid string"),
    "empty query": ({"query": ""}, "query", "at least 1 character"),
    "NUL in the query": ({"query": "SELECT 1\0"}, "query", "NUL"),
    "read_only of a wrong type": ({"query": "SELECT 1", "read_only": "yes"}, "read_only", "bool"),
    "rows_as unknown": ({"query": "SELECT 1", "rows_as": "csv"}, "rows_as", "'arrays'"),
    "rows_max zero": ({"query": "SELECT 1", "rows_max": 0}, "rows_max", "greater than"),
    "timeout negative": ({"query": "SELECT 1", "timeout_ms": -1}, "timeout_ms", "greater than"),
    "timeout a text": ({"query": "SELECT 1", "timeout_ms": "1"}, "timeout_ms", "valid integer"),
    "key too long": ({"query": "SELECT 1", "idempotency_key": "k" * 256}, "idempotency_key", "255"),
    "key with a control": (
        {"query": "SELECT 1", "idempotency_key": "\tmessage:1"},
        "idempotency_key",
        "cannot be printed",
    ),
    "parameters of a wrong kind": (
        {"query": "SELECT ?", "parameters": "a"},
        "parameters",
        "neither a list nor an object",
    ),
    "a value that is a list": ({"query": "SELECT ?", "parameters": [1, [2]]}, "parameters", "[1]"),
    "a value that is an object": (
        {"query": "SELECT :a", "parameters": {"a": {"b": 1}}},
        "parameters",
        ".a is an object",
    ),
    "an integer past 64 bits": (
        {"query": "SELECT ?", "parameters": [2**63]},
        "parameters",
        "past 64 bits",
    ),
    "an integer past 64 bits in a set": (
        {"query": "SELECT ?", "parameter_sets": [[1], [-(2**63) - 1]]},
        "parameter_sets",
        "[1] [0] is an integer past 64 bits",
    ),
    "bad base64": (
        {"query": "SELECT ?", "parameters": [{"base64": "a"}]},
        "parameters",
        "bad base64",
    ),
    "a real that is none": (
        {"query": "SELECT ?", "parameters": [{"real": "NaN"}]},
        "parameters",
        '{"real": "Infinity"}',
    ),
    "a bare infinity": (
        {"query": "SELECT ?", "parameters": [float("inf")]},
        "parameters",
        "not a JSON number",
    ),
    "half a surrogate pair": (
        {"query": "SELECT ?", "parameters": ["\ud800"]},
        "parameters",
        "surrogate",
    ),
    "sets that are no list": (
        {"query": "SELECT ?", "parameter_sets": {}},
        "parameter_sets",
        "list",
    ),
    "health with more": ({"health": True, "query": "SELECT 1"}, "query", "is not a field"),
    "health false": ({"health": False}, "health", "should be True"),
    "a schedule at the query function": ({"source": "aws.events", "query": "x"}, "source", ""),
} | {
    f"database {name!r}": (
        {"query": "SELECT 1", "database": name},
        "database",
        "is not the name of a database",
    )
    for name in ("..", "../main", "a/b", "Main", "", "-a", "a" * 64, "a\0", "main\n", "é", "a.db")
}
del BAD_EVENTS["a schedule at the query function"]

REFUSED_STATEMENTS: dict[str, tuple[Any, str, str]] = {
    "comment only": ({"query": "-- nothing"}, "STATEMENT_ERROR", "empty"),
    "space only": ({"query": "  ; "}, "STATEMENT_ERROR", "empty"),
    "two": ({"query": "SELECT 1; DELETE FROM t"}, "STATEMENT_ERROR", "one statement in a query"),
    "two, one broken": ({"query": "SELECT 1; DELEET"}, "STATEMENT_ERROR", "syntax error"),
    "syntax": ({"query": "SELECT 1 FRM t"}, "STATEMENT_ERROR", "at offset"),
    "missing table": ({"query": "SELECT * FROM nope"}, "STATEMENT_ERROR", "no such table: nope"),
    "missing column": ({"query": "SELECT nope FROM t"}, "STATEMENT_ERROR", "(at offset 7)"),
    "deep expression": ({"query": f"SELECT {DEEP}"}, "STATEMENT_ERROR", ""),
    "too few": ({"query": "SELECT ?, ?", "parameters": [1]}, "STATEMENT_ERROR", "2 parameters, 1"),
    "too many": ({"query": "SELECT ?", "parameters": [1, 2]}, "STATEMENT_ERROR", "1 parameters, 2"),
    "none": ({"query": "SELECT :a"}, "STATEMENT_ERROR", "1 parameters, 0"),
    "misnamed": (
        {"query": "SELECT :a", "parameters": {"b": 1}},
        "STATEMENT_ERROR",
        "no parameter 'b'",
    ),
    "one name more": (
        {"query": "SELECT :a", "parameters": {"a": 1, "b": 1}},
        "STATEMENT_ERROR",
        "no parameter 'b'",
    ),
    "names for marks": (
        {"query": "SELECT ?", "parameters": {"a": 1}},
        "STATEMENT_ERROR",
        "give a list",
    ),
    "a set too short": (
        {"query": "INSERT INTO t VALUES (?, ?)", "parameter_sets": [[7, 1], [8]]},
        "STATEMENT_ERROR",
        "parameter_sets[1]: ",
    ),
    "text that is not UTF-8": (
        {"query": "SELECT CAST(x'ff41' AS TEXT)"},
        "STATEMENT_ERROR",
        "not UTF-8",
    ),
    "a value past 16 MiB": ({"query": "SELECT zeroblob(1e8)"}, "STATEMENT_ERROR", "too big"),
    "constraint": ({"query": "INSERT INTO t VALUES (1, 1)"}, "CONSTRAINT", "UNIQUE"),
    "a write read_only": (
        {"query": "INSERT INTO t VALUES (9, 9)", "read_only": True},
        "READ_ONLY",
        "only reads",
    ),
    "a write behind a read": (
        {
            "statements": [{"query": "SELECT 1"}, {"query": "DELETE FROM t"}],
            "read_only": True,
        },
        "READ_ONLY",
        "only reads",
    ),
    "unknown database": (
        {"query": "SELECT 1", "database": "nope"},
        "DATABASE_NOT_FOUND",
        "'nope' does not exist",
    ),
    "a table of an unknown database": (
        {"query": "SELECT * FROM t", "database": "nope"},
        "DATABASE_NOT_FOUND",
        "no such table: t",
    ),
    "a first write that fails": (
        {
            "statements": [{"query": "CREATE TABLE a (n)"}, {"query": "INSERT INTO b VALUES (1)"}],
            "database": "nope",
        },
        "STATEMENT_ERROR",
        "no such table: b",
    ),
    "vacuum of an unknown database": (
        {"query": "VACUUM", "database": "nope"},
        "DATABASE_NOT_FOUND",
        "does not exist",
    ),
    "a result past the rows": ({"query": "SELECT * FROM big"}, "RESULT_TOO_LARGE", "after"),
    "a result past the bytes": (
        {"query": "SELECT zeroblob(50000) FROM big LIMIT 3"},
        "RESULT_TOO_LARGE",
        "100,000 bytes",
    ),
    "results past the bytes together": (
        {"statements": [{"query": "SELECT zeroblob(50000)"}] * 2},
        "RESULT_TOO_LARGE",
        "100,000 bytes",
    ),
    "returned rows past the limit": (
        {"query": "DELETE FROM big RETURNING *"},
        "RESULT_TOO_LARGE",
        "after",
    ),
    "endless read": ({"query": ENDLESS, "timeout_ms": 100}, "TIMEOUT", "nothing was written"),
    "endless write": (
        {
            "query": f"INSERT INTO big {ENDLESS.replace('count(*)', 'i')}",
            "timeout_ms": 100,
        },
        "TIMEOUT",
        "nothing was written",
    ),
} | {
    f"forbidden {sql}": ({"query": sql}, "FORBIDDEN_STATEMENT", "not allowed here")
    for sql in (
        "ATTACH 'other.db' AS other",
        "ATTACH ':memory:' AS other",
        "DETACH main",
        "BEGIN",
        "BEGIN IMMEDIATE",
        "COMMIT",
        "END",
        "ROLLBACK",
        "SAVEPOINT work",
        "RELEASE work",
        "ROLLBACK TO work",
        "VACUUM INTO 'copy.db'",
        "SELECT load_extension('x')",
        "SELECT fts3_tokenizer('simple')",
        "PRAGMA journal_mode=WAL",
        "PRAGMA journal_mode",
        "PRAGMA writable_schema=ON",
        "PRAGMA foreign_keys=OFF",
        "PRAGMA synchronous=OFF",
        "PRAGMA locking_mode=EXCLUSIVE",
        "PRAGMA query_only=OFF",
        "PRAGMA temp_store_directory='/tmp'",
        "PRAGMA wal_checkpoint",
        "CREATE TEMP TABLE x (a)",
        "CREATE TEMP VIEW x AS SELECT 1",
        "CREATE VIRTUAL TABLE x USING csv(filename='/etc/passwd')",
        "CREATE VIRTUAL TABLE x USING dbstat",
        "SELECT * FROM sqlatch_idempotency",
        "DELETE FROM sqlatch_idempotency",
        "DROP TABLE sqlatch_idempotency",
        "ALTER TABLE sqlatch_idempotency RENAME TO x",
        "ALTER TABLE sqlatch_idempotency ADD COLUMN x",
        "CREATE INDEX x ON sqlatch_idempotency (reply)",
        "CREATE TRIGGER x AFTER INSERT ON sqlatch_idempotency BEGIN SELECT 1; END",
        "CREATE TABLE sqlatch_x (a)",
        'INSERT INTO "SQLATCH_IDEMPOTENCY" (key) VALUES (1)',
        "EXPLAIN ATTACH 'x' AS y",
        "UPDATE t SET n = (SELECT count(*) FROM sqlatch_idempotency)",
    )
}  # fmt: skip


@pytest.fixture
def filled(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database `main` with tables t and big, under small limits."""
    monkeypatch.setenv("SQLATCH_ROWS_MAX", "1000")
    monkeypatch.setenv("SQLATCH_RESULT_BYTES_MAX", "100000")
    ask(
        statements=[
            {"query": "CREATE TABLE t (id INTEGER PRIMARY KEY, n)"},
            {"query": "INSERT INTO t VALUES (1, 1)"},
            {"query": "CREATE TABLE big (n)"},
            {"query": "INSERT INTO big VALUES (?)", "parameter_sets": [[n] for n in range(1001)]},
        ]
    )


@contextmanager
def nothing_changes(directory: Path) -> Iterator[None]:
    """See that the block leaves every file as it was, and no lease."""
    before = digests(directory)
    yield
    assert digests(directory) == before
    assert service().leases.held() == []


def digests(directory: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.iterdir()
        if path.suffix == ".db"
    }


@pytest.mark.parametrize("name", BAD_EVENTS)
def test_a_bad_event_says_which_field_and_why(name: str, filled: None, directory: Path) -> None:
    event, field, reason = BAD_EVENTS[name]

    with nothing_changes(directory):
        error = refused_event(event)

    assert error["code"] == "BAD_EVENT"
    assert (error["field"] or "").startswith(field)
    assert reason in error["message"]


@pytest.mark.parametrize("name", REFUSED_STATEMENTS)
def test_a_refused_statement_changes_nothing(
    name: str, filled: None, refused: Ask, directory: Path
) -> None:
    event, code, message = REFUSED_STATEMENTS[name]

    with nothing_changes(directory):
        error = refused(event)

    assert error["code"] == code
    assert message in error["message"]


@pytest.mark.parametrize("sql", ["COMMIT", "ROLLBACK", "SAVEPOINT work", "RELEASE work"])
def test_transaction_control_inside_a_batch_is_refused_though_we_used_the_same_words(
    sql: str, filled: None, ask: Ask, refused: Ask, directory: Path
) -> None:
    ask(query="INSERT INTO t VALUES (2, 2)")
    with nothing_changes(directory):
        error = refused(statements=[{"query": "DELETE FROM t"}, {"query": sql}])

    assert (error["code"], error["statement"]) == ("FORBIDDEN_STATEMENT", 1)


def test_a_query_without_end_is_stopped_at_the_first_look_past_its_deadline(
    filled: None, refused: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = Time()
    looks_s = []

    def look() -> float:
        time.pass_by(0.001)
        looks_s.append(time.now_s)
        return time.now_s

    monkeypatch.setattr("handler.service.Clock", lambda: Clock(now=look))
    forget(service)
    error = refused(query=ENDLESS, timeout_ms=200)

    assert error["code"] == "TIMEOUT"
    assert len(looks_s) == pytest.approx(200, abs=10)


def test_a_file_that_is_no_database_is_told_apart(ask: Ask, refused: Ask, directory: Path) -> None:
    (directory / "junk.db").write_bytes(b"no database at all, " * 100)

    for query in ("SELECT * FROM t", "CREATE TABLE t (n)"):
        assert refused(query=query, database="junk")["code"] == "DATABASE_CORRUPT"
    assert service().leases.held() == []


def test_a_symbolic_link_is_no_database(ask: Ask, refused: Ask, directory: Path) -> None:
    ask(query="CREATE TABLE secret (n)", database="real")
    (directory / "link.db").symlink_to(directory / "real.db")

    assert refused(query="SELECT * FROM secret", database="link")["code"] == "DATABASE_NOT_FOUND"
    assert refused(query="CREATE TABLE t (n)", database="link")["code"] == "STORAGE_ERROR"


def test_a_missing_directory_is_a_storage_error(
    ask: Ask, refused: Ask, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLATCH_DATABASES", str(directory / "missing"))

    for query in ("SELECT 1", "CREATE TABLE t (n)"):
        error = refused(query=query)
        assert (error["code"], error["retryable"]) == ("STORAGE_ERROR", True)
        assert "No such file or directory" in error["message"]
    assert ask(health=True)["status"] == "degraded"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not write")
def test_a_directory_that_cannot_be_written_is_a_storage_error_for_writes_only(
    filled: None, ask: Ask, refused: Ask, directory: Path
) -> None:
    service().databases.close()
    with as_nobody(directory):
        assert ask(query="SELECT * FROM t")["rows"] == [[1, 1]]
        assert refused(query="INSERT INTO t VALUES (2, 2)")["code"] == "STORAGE_ERROR"
        assert refused(query="CREATE TABLE t (n)", database="new")["code"] == "STORAGE_ERROR"
    assert service().leases.held() == []


@pytest.mark.parametrize(
    ("environment", "leases"),
    [
        ("dynamodb", "dynamodb:no-such-table"),
        ("sqlite", "sqlite:/no/such/directory/leases.sqlite"),
    ],
    indirect=["environment"],
)
def test_a_missing_lease_table_stops_writes_and_not_reads(
    leases: str, ask: Ask, refused: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(query="CREATE TABLE t (n)")
    monkeypatch.setenv("SQLATCH_LEASES", leases)
    forget(service)

    assert ask(query="SELECT * FROM t")["rows"] == []
    assert refused(query="INSERT INTO t VALUES (1)")["code"] == "STORAGE_ERROR"
    assert ask(health=True)["lease_table"]["ok"] is False


@pytest.mark.parametrize("environment", ["dynamodb"], indirect=True)
def test_a_lease_table_that_does_not_answer_is_a_storage_error(
    ask: Ask, refused: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(query="CREATE TABLE t (n)")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    forget(service)

    error = refused(query="INSERT INTO t VALUES (1)", timeout_ms=1_500)

    assert error["code"] == "STORAGE_ERROR"
    assert "does not answer" in error["message"]


def test_a_function_set_read_only_refuses_writes(
    filled: None, refused: Ask, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLATCH_READ_ONLY", "true")
    forget(service)

    assert refused(query="DELETE FROM t")["code"] == "READ_ONLY"
    assert ask(query="SELECT * FROM t")["rows"] == [[1, 1]]


def test_a_function_that_may_not_create_finds_no_database(
    ask: Ask, refused: Ask, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLATCH_CREATE", "never")

    assert refused(query="CREATE TABLE t (n)")["code"] == "DATABASE_NOT_FOUND"
    assert digests(directory) == {}


def refused_event(event: Any) -> dict[str, Any]:
    with pytest.raises(SqlatchError) as refusal:
        local.invoke(event)
    return refusal.value.body()


def test_an_error_of_a_bulk_load_says_which_set_it_was(refused: Ask, ask: Ask) -> None:
    ask(query="CREATE TABLE t (n UNIQUE)")
    insert = {"query": "INSERT INTO t VALUES (?)", "parameter_sets": [[1], [2], [1], [3]]}

    assert refused(**insert)["parameter_set"] == 2
    assert refused(statements=[{"query": "SELECT 1"}, insert])["parameter_set"] == 2
    assert "parameter_set" not in refused(query="INSERT INTO t VALUES (?)", parameters=[1, 2])


def test_a_blob_that_is_no_text_may_stand_in_a_write(
    ask: Ask, refused: Ask, directory: Path
) -> None:
    ask(query="CREATE TABLE t (n)")

    written = ask(query="INSERT INTO t VALUES (x'bfe394'), ('a' || x'ff') RETURNING hex(n)")
    vacuum = refused(query="VACUUM INTO x'ff'")

    assert written["rows"] == [["BFE394"], ["61FF"]]
    assert vacuum["code"] in {"STATEMENT_ERROR", "FORBIDDEN_STATEMENT"}
    assert [path.name for path in directory.glob("*.db")] == ["main.db"]
