"""The authorizer: refusals of a user's statements, and what it learns of those it allows."""

import pytest

from sqlatch.kernel.errors import ForbiddenStatement
from storage.connection import Session

REFUSED = {
    "ATTACH 'x' AS other": "ATTACH",
    "BEGIN": "transaction control",
    "SAVEPOINT a": "transaction control",
    "CREATE TEMP TABLE x (n)": "temporary tables",
    "CREATE TEMP VIEW x AS SELECT 1": "temporary views",
    "CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END": "temporary triggers",
    "CREATE TABLE temp.x (n)": "nothing outlives a request",
    "CREATE VIEW temp.x AS SELECT 1": "nothing outlives a request",
    "SELECT load_extension('x')": "the function load_extension()",
    "CREATE VIRTUAL TABLE x USING csv(filename='/etc/passwd')": "the virtual table module csv",
    "CREATE TABLE sqlatch_x (n)": "sqlatch_... are the service's own",
    "SELECT * FROM SQLATCH_own": "sqlatch_... are the service's own",
    "DELETE FROM sqlatch_own": "sqlatch_... are the service's own",
    "DROP TABLE sqlatch_own": "sqlatch_... are the service's own",
    "CREATE INDEX i ON sqlatch_own (n)": "sqlatch_... are the service's own",
    "ALTER TABLE sqlatch_own RENAME TO x": "sqlatch_... are the service's own",
    "PRAGMA journal_mode": "PRAGMA journal_mode",
    "PRAGMA synchronous = OFF": "PRAGMA synchronous with a value",
    "PRAGMA foreign_keys = OFF": "PRAGMA foreign_keys with a value",
    "PRAGMA cache_spill = ON": "PRAGMA cache_spill",
    "PRAGMA tabel_info(t)": "did you mean table_info?",
}
ALLOWED = (
    "SELECT n FROM t", "INSERT INTO t VALUES (1)", "CREATE TABLE x (n)", "DROP TABLE t",
    "CREATE VIRTUAL TABLE x USING fts5(n)", "PRAGMA user_version = 7", "PRAGMA table_info(t)",
    "PRAGMA integrity_check", "CREATE INDEX i ON t (n)", "ANALYZE", "EXPLAIN DELETE FROM t",
)  # fmt: skip


@pytest.fixture(autouse=True)
def tables(session: Session) -> None:
    session.run("CREATE TABLE t (n)")
    session.run("CREATE TABLE sqlatch_own (n)")


def ask(session: Session, sql: str) -> None:
    with session.user(sql) as cursor:
        cursor.execute(sql).fetchall()


@pytest.mark.parametrize("sql", REFUSED)
def test_a_statement_is_refused_and_told_what_it_was(session: Session, sql: str) -> None:
    with pytest.raises(ForbiddenStatement) as refused:
        ask(session, sql)

    assert refused.value.message.startswith("not allowed here: ")
    assert REFUSED[sql] in refused.value.message


@pytest.mark.parametrize("sql", ALLOWED)
def test_a_statement_that_stays_in_its_database_is_allowed(session: Session, sql: str) -> None:
    ask(session, sql)


def test_what_a_trigger_does_is_asked_about_too(session: Session) -> None:
    session.run("CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM sqlatch_own; END")

    with pytest.raises(ForbiddenStatement):
        ask(session, "INSERT INTO t VALUES (1)")


def test_statements_of_our_own_are_not_asked_about(session: Session) -> None:
    session.run("SAVEPOINT a")
    session.run("DELETE FROM sqlatch_own")
    session.run("RELEASE a")


@pytest.mark.parametrize(
    ("sql", "defines", "changes", "inserts", "inspects"),
    [
        ("SELECT n FROM t", False, False, False, False),
        ("INSERT INTO t VALUES (1)", False, True, True, False),
        ("UPDATE t SET n = 1", False, True, False, False),
        ("DELETE FROM t", False, True, False, False),
        ("CREATE TABLE x (n)", True, None, None, False),
        ("ALTER TABLE t ADD COLUMN m", True, None, None, False),
        ("PRAGMA table_info(t)", False, False, False, True),
    ],
)
def test_it_says_what_a_statement_is(
    session: Session,
    sql: str,
    *,
    defines: bool,
    changes: bool | None,
    inserts: bool | None,
    inspects: bool,
) -> None:
    ask(session, sql)

    assert session.defines is defines
    assert session.inspects is inspects
    # Of a definition these are SQLite's own writes to the schema.
    assert changes is None or session.changes is changes
    assert inserts is None or session.inserts is inserts


def test_changes_of_a_trigger_are_not_the_statements(session: Session) -> None:
    session.run("CREATE TABLE log (n)")
    session.run("CREATE TRIGGER x AFTER DELETE ON t BEGIN INSERT INTO log VALUES (1); END")

    ask(session, "DELETE FROM t")

    assert (session.changes, session.inserts) == (True, False)
