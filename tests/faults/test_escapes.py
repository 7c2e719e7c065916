"""Ways out of one's database, or into the next request: each is refused, and leaves nothing."""

import os
from pathlib import Path
from typing import Any

import apsw
import pytest

from handler.service import service
from sqlatch.kernel.errors import SqlatchError
from tests.conftest import Ask
from tests.storage.sessions import sessions_of

OUR = "sqlatch_idempotency"
FORBIDDEN = {"FORBIDDEN_STATEMENT"}
NO_SUCH = {"STATEMENT_ERROR"}

ESCAPES: dict[str, tuple[list[str], set[str]]] = {
    "attach by URI": (["ATTACH 'file:{outside}/x.db?mode=rwc' AS x"], FORBIDDEN),
    "attach by expression": (["ATTACH '{outside}' || '/x.db' AS x"], FORBIDDEN),
    "vacuum into": (["VACUUM INTO '{outside}/x.db'"], FORBIDDEN),
    "vacuum into an expression": (["VACUUM main INTO '{outside}' || '/x.db'"], FORBIDDEN),
    "vacuum into, late": (
        ["VACUUM INTO '{outside}' || " + " || ".join(["hex(1+1)"] * 500)],
        FORBIDDEN | NO_SUCH,
    ),
    "a directory for temporary files": (["PRAGMA temp_store_directory = '{outside}'"], FORBIDDEN),
    "a directory for data": (["PRAGMA data_store_directory = '{outside}'"], FORBIDDEN),
    "readfile": (["SELECT readfile('/etc/passwd')"], NO_SUCH),
    "writefile": (["SELECT writefile('{outside}/x', 1)"], NO_SUCH),
    "edit": (["SELECT edit('x', 'sh')"], NO_SUCH),
    "fsdir": (["SELECT * FROM fsdir('/etc')"], NO_SUCH),
    "load_extension": (["SELECT load_extension('{outside}/x.so')"], FORBIDDEN),
    "load_extension in a view": (
        ["CREATE VIEW v AS SELECT load_extension('x')", "SELECT * FROM v"],
        FORBIDDEN | NO_SUCH,
    ),
    "load_extension in a trigger": (
        [
            "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT load_extension('x'); END",
            "INSERT INTO t VALUES (9, 9)",
        ],
        FORBIDDEN,
    ),
    "fts3_tokenizer": (["SELECT fts3_tokenizer('simple', x'0000000000000000')"], FORBIDDEN),
    "csv": (["CREATE VIRTUAL TABLE x USING csv(filename='/etc/passwd')"], FORBIDDEN),
    "dbstat": (["CREATE VIRTUAL TABLE x USING dbstat(temp)"], FORBIDDEN),
    "pages": (["SELECT * FROM sqlite_dbpage"], NO_SUCH),
    "pages written": (["UPDATE sqlite_dbpage SET data = zeroblob(4096)"], NO_SUCH),
    "statements of others": (["SELECT * FROM sqlite_stmt"], NO_SUCH),
    "the schema written": (["UPDATE sqlite_schema SET sql = 'x'"], NO_SUCH),
    "the schema deleted": (["DELETE FROM sqlite_master"], NO_SUCH),
    "the schema made writable": (["PRAGMA writable_schema = 1"], FORBIDDEN),
    "the schema reset": (["PRAGMA writable_schema = RESET"], FORBIDDEN),
    "a trigger on the schema": (
        ["CREATE TRIGGER x AFTER INSERT ON sqlite_schema BEGIN SELECT 1; END"],
        NO_SUCH,
    ),
    "the schema version": (["PRAGMA schema_version = 1"], FORBIDDEN),
    "a shadow table": (
        ["CREATE VIRTUAL TABLE f USING fts5(x)", "UPDATE f_data SET block = x'00'"],
        NO_SUCH,
    ),
    "a PRAGMA as a table": (["SELECT * FROM pragma_journal_mode"], FORBIDDEN | NO_SUCH),
    "a PRAGMA as a table, of a file": (
        ["SELECT * FROM pragma_wal_checkpoint('main')"],
        FORBIDDEN | NO_SUCH,
    ),
    "our table": ([f"SELECT * FROM {OUR}"], FORBIDDEN),
    "our table, counted": ([f"SELECT count(*) FROM {OUR}"], FORBIDDEN),
    "our table, quoted": (['SELECT * FROM main."SQLATCH_idempotency"'], FORBIDDEN),
    "our table in a view": (
        [f"CREATE VIEW v AS SELECT * FROM {OUR}", "SELECT * FROM v"],
        FORBIDDEN,
    ),
    "our table in a CTE": ([f"WITH x AS (SELECT * FROM {OUR}) SELECT 1 FROM x"], FORBIDDEN),
    "our table behind a view's trigger": (
        [
            "CREATE VIEW v AS SELECT 1 AS n",
            f"CREATE TRIGGER r INSTEAD OF DELETE ON v BEGIN DELETE FROM {OUR}; END",
            "DELETE FROM v",
        ],
        FORBIDDEN,
    ),
    "our table behind a trigger": (
        [
            f"CREATE TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM {OUR}; END",
            "INSERT INTO t VALUES (9, 9)",
        ],
        FORBIDDEN,
    ),
    "our table behind a trigger's SELECT": (
        [
            "CREATE TRIGGER r AFTER INSERT ON t BEGIN"
            f" UPDATE t SET n = (SELECT key FROM {OUR}); END",
            "INSERT INTO t VALUES (9, 9)",
        ],
        FORBIDDEN,
    ),
    "our table behind a foreign key": (
        [f"CREATE TABLE c (k REFERENCES {OUR} (key))", "INSERT INTO c VALUES ('key')"],
        FORBIDDEN,
    ),
    "our table behind a foreign key that nothing uses": (
        [f"CREATE TABLE c (i REFERENCES {OUR} (id) ON DELETE CASCADE)"],
        FORBIDDEN,
    ),
    "our table behind a foreign key of a new column": (
        [f"ALTER TABLE t ADD COLUMN i REFERENCES main_of (id) REFERENCES {OUR} (id)"],
        FORBIDDEN,
    ),
    "our table as the content of FTS5": (
        [
            f"CREATE VIRTUAL TABLE f USING fts5(key, content='{OUR}', content_rowid='id')",
            "INSERT INTO f (f) VALUES ('rebuild')",
            "SELECT * FROM f",
        ],
        FORBIDDEN | NO_SUCH,
    ),
    "our table as the content of FTS4": (
        [
            f"CREATE VIRTUAL TABLE f USING fts4(content='{OUR}', key)",
            "INSERT INTO f (f) VALUES ('rebuild')",
        ],
        FORBIDDEN | NO_SUCH,
    ),
    "our table copied": ([f"CREATE TABLE x AS SELECT * FROM {OUR}"], FORBIDDEN),
    "our table renamed": ([f"ALTER TABLE {OUR} RENAME TO x"], FORBIDDEN),
    "a column of our table renamed": ([f"ALTER TABLE {OUR} RENAME COLUMN key TO k"], FORBIDDEN),
    "a table renamed to ours": (["ALTER TABLE t RENAME TO sqlatch_t"], FORBIDDEN),
    "a table renamed to ours, quoted": (['ALTER TABLE t RENAME TO "SQLATCH_t"'], FORBIDDEN),
    "our table indexed": ([f"CREATE UNIQUE INDEX x ON {OUR} (reply)"], FORBIDDEN),
    "our table reindexed by a trigger": (
        [f"CREATE TRIGGER x BEFORE DELETE ON {OUR} BEGIN SELECT RAISE(IGNORE); END"],
        FORBIDDEN,
    ),
    "our table dropped": ([f"DROP TABLE {OUR}"], FORBIDDEN),
    "a view of our name": (["CREATE VIEW sqlatch_v AS SELECT 1"], FORBIDDEN),
    "a virtual table of our name": (["CREATE VIRTUAL TABLE sqlatch_f USING fts5(x)"], FORBIDDEN),
    "a temporary table": (["CREATE TEMP TABLE t AS SELECT 1"], FORBIDDEN),
    "a temporary table by its schema": (["CREATE TABLE temp.t (n)"], FORBIDDEN),
    "a temporary view by its schema": (["CREATE VIEW temp.t AS SELECT 1"], FORBIDDEN),
    "a temporary view over a table": (["CREATE TEMP VIEW t AS SELECT 1"], FORBIDDEN),
    "a temporary trigger": (
        ["CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END"],
        FORBIDDEN,
    ),
    "a temporary virtual table": (["CREATE VIRTUAL TABLE temp.f USING fts5(x)"], FORBIDDEN),
    "the temporary schema": (["INSERT INTO sqlite_temp_schema VALUES (1, 2, 3, 4, 5)"], NO_SUCH),
} | {
    f"a setting that stays: {pragma}": ([f"PRAGMA {pragma}"], FORBIDDEN)
    for pragma in (
        "case_sensitive_like = 1", "recursive_triggers = 0", "foreign_keys = 0",
        "ignore_check_constraints = 1", "cache_size = -1000000", "cache_spill = 1",
        "count_changes = 1", "full_column_names = 1", "short_column_names = 0",
        "reverse_unordered_selects = 1", "query_only = 1", "read_uncommitted = 1",
        "trusted_schema = 1", "cell_size_check = 1", "busy_timeout = 0", "threads = 8",
        "hard_heap_limit = 1", "soft_heap_limit = 1", "analysis_limit = 1", "mmap_size = 1000000",
        "automatic_index = 0", "temp_store = FILE", "main.locking_mode = EXCLUSIVE",
        "journal_size_limit = 0", "secure_delete = 1", "page_size = 512", "legacy_alter_table = 1",
        "auto_vacuum = 2", "encoding = 'UTF-16'", "max_page_count = 1", "shrink_memory",
        "journal_mode(WAL)", "main.journal_mode = OFF", "'journal_mode' = OFF",
    )
}  # fmt: skip

KEPT_SETTINGS = (
    "analysis_limit", "automatic_index", "busy_timeout", "cache_size", "cache_spill",
    "defer_foreign_keys", "foreign_keys", "hard_heap_limit", "ignore_check_constraints",
    "journal_mode", "journal_size_limit", "legacy_alter_table", "locking_mode", "max_page_count",
    "mmap_size", "query_only", "read_uncommitted", "recursive_triggers",
    "reverse_unordered_selects", "secure_delete", "soft_heap_limit", "synchronous", "temp_store",
    "threads", "trusted_schema", "writable_schema",
)  # fmt: skip


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    path = tmp_path / "outside"
    path.mkdir()
    return path


@pytest.fixture
def filled(ask: Ask, outside: Path) -> None:
    ask(query="CREATE TABLE t (id INTEGER PRIMARY KEY, n)")
    ask(query="INSERT INTO t VALUES (1, 1)", idempotency_key="key")
    ask(query="SELECT * FROM t")


@pytest.mark.parametrize("name", ESCAPES)
def test_an_escape_is_refused_and_leaves_nothing(
    name: str, filled: None, ask: Ask, outside: Path, directory: Path
) -> None:
    statements, codes = ESCAPES[name]
    before = settings_of_connections()

    for one_batch in (True, False):
        assert code_of(ask, statements, outside, one_batch=one_batch) in codes

    assert settings_of_connections() == before
    assert list(outside.iterdir()) == []
    assert {path.name.split(".")[0] for path in directory.iterdir()} == {"main", ""}
    assert our_keys(directory) == ["key"]
    assert ask(query="SELECT count(*) FROM t WHERE id = 1")["rows"] == [[1]]
    assert ask(query="SELECT name FROM sqlite_temp_schema")["rows"] == []


def code_of(ask: Ask, statements: list[str], outside: Path, *, one_batch: bool) -> str | None:
    """The code of the first refusal."""
    queries = [{"query": sql.replace("{outside}", str(outside))} for sql in statements]
    try:
        if one_batch:
            ask(statements=queries)
        for query in queries:
            ask(query)
    except SqlatchError as error:
        return error.code
    return None


def our_keys(directory: Path) -> list[Any]:
    with apsw.Connection(str(directory / "main.db")) as connection:
        rows = connection.execute(f"SELECT key FROM {OUR}").fetchall()
    connection.close()
    return [key for (key,) in rows]


def settings_of_connections() -> list[Any]:
    store = service().databases.get("main")._store
    return [
        session and [session.run(f"PRAGMA {name}") for name in KEPT_SETTINGS]
        for session in sessions_of(store)
    ]


@pytest.mark.parametrize("suffix", [".db", ".db-journal"])
def test_a_symbolic_link_out_of_the_directory_is_not_followed(
    suffix: str, filled: None, refused: Ask, outside: Path, directory: Path
) -> None:
    target = outside / "target"
    if suffix == ".db":
        target.write_bytes((directory / "main.db").read_bytes())
    else:
        target.write_bytes(b"precious")
        (directory / "link.db").write_bytes((directory / "main.db").read_bytes())
    (directory / f"link{suffix}").symlink_to(target)
    before = target.read_bytes()

    for query in ("SELECT * FROM t", "INSERT INTO t VALUES (5, 5)", "DROP TABLE t"):
        error = refused(query=query, database="link")
        assert error["code"] in {"DATABASE_NOT_FOUND", "STORAGE_ERROR"}
    assert target.read_bytes() == before
    assert service().leases.held() == []


@pytest.mark.timeout(200)
def test_what_is_no_file_is_no_database(ask: Ask, refused: Ask, directory: Path) -> None:
    os.mkfifo(directory / "pipe.db")
    (directory / "folder.db").mkdir()

    for name in ("pipe", "folder"):
        assert refused(query="SELECT 1", database=name)["code"] == "DATABASE_NOT_FOUND"
        assert refused(query="CREATE TABLE t (n)", database=name)["code"] == "STORAGE_ERROR"


def test_a_table_can_be_renamed(filled: None, ask: Ask) -> None:
    """SQLite's own work for it touches the schema temp, which is closed to statements."""
    ask(query="ALTER TABLE t RENAME TO u")
    ask(query="ALTER TABLE u RENAME COLUMN n TO m")
    ask(query="ALTER TABLE u DROP COLUMN m")

    assert ask(query="SELECT * FROM u")["columns"] == ["id"]


def test_nothing_of_a_request_is_seen_by_the_next(filled: None, ask: Ask) -> None:
    ask(query="INSERT INTO t VALUES (77, 1), (78, 1)")
    ask(statements=[{"query": "PRAGMA defer_foreign_keys = ON"}, {"query": "DELETE FROM t"}])

    seen = ask(query="INSERT INTO t VALUES (1, last_insert_rowid()) RETURNING n")["rows"]
    assert seen == [[0]]
    assert ask(query="SELECT last_insert_rowid(), changes()")["rows"] == [[0, 0]]
