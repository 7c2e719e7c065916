"""Running statements: what comes back, and the limits of that."""

from dataclasses import replace
from typing import Any

import pytest

from sqlatch.kernel.errors import (
    Constraint,
    ForbiddenStatement,
    ResultTooLarge,
    SqlatchError,
    StatementError,
)
from sqlexec import execute as executing
from sqlexec.execute import Budget, execute, execute_all
from sqlexec.plan import Plans
from sqlexec.statement import Result, Statement
from storage.connection import Session
from tests.sqlexec.conftest import ENCODER, LIMITS, job

NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {}) SELECT i FROM n"


@pytest.fixture(autouse=True)
def tables(session: Session) -> None:
    session.run("CREATE TABLE t (id INTEGER PRIMARY KEY, n UNIQUE)")


def run(session: Session, statement: Statement | str, **limits: Any) -> Result:
    """Run one statement within these limits, beside the usual ones."""
    one = Statement(statement) if isinstance(statement, str) else statement
    return run_within(Budget(replace(LIMITS, **limits), ENCODER.rows), session, one)


def run_within(budget: Budget, session: Session, statement: Statement) -> Result:
    return execute(statement, Plans().of(statement, session), session, budget)


def test_a_result_has_its_columns_rows_and_counts(session: Session) -> None:
    inserted = run(session, "INSERT INTO t (n) VALUES (5), (6)")
    assert inserted == Result((), [], 0, rows_affected=2, last_insert_rowid=2)

    read = run(session, "SELECT id, n AS 'the n' FROM t")
    assert read == Result(("id", "the n"), [(1, 5), (2, 6)], 2, 0, None)
    assert run(session, "SELECT n FROM t WHERE 0") == Result(("n",), [], 0, 0, None)


def test_as_many_rows_as_the_limit_are_returned_and_one_more_is_refused(session: Session) -> None:
    assert run(session, NUMBERS.format(20), rows_max=20).rows_count == 20

    with pytest.raises(ResultTooLarge, match="the limit is 20 rows") as refused:
        run(session, NUMBERS.format(21), rows_max=20)

    assert refused.value.facts["rows_max"] == 20


def test_bytes_are_counted_with_the_names_and_over_all_statements(session: Session) -> None:
    # Each row has 10 bytes here, and the names count as one.
    assert run(session, NUMBERS.format(9), bytes_max=100).rows_count == 9
    with pytest.raises(ResultTooLarge, match="the limit is 100 bytes"):
        run(session, NUMBERS.format(10), bytes_max=100)
    with pytest.raises(ResultTooLarge):
        run(session, NUMBERS.format(9), bytes_max=100, bytes_spent=1)

    budget = Budget(replace(LIMITS, bytes_max=100), ENCODER.rows)
    run_within(budget, session, Statement(NUMBERS.format(4)))
    run_within(budget, session, Statement(NUMBERS.format(4)))
    with pytest.raises(ResultTooLarge):
        run_within(budget, session, Statement("SELECT 1"))


def test_rows_past_the_wanted_ones_are_left_out_and_that_is_said(session: Session) -> None:
    whole = run(session, NUMBERS.format(20), truncate_rows=20)
    cut = run(session, NUMBERS.format(21), truncate_rows=20)

    assert (whole.rows_count, whole.truncated) == (20, False)
    assert (cut.rows, cut.truncated) == (whole.rows, True)
    assert run(session, NUMBERS.format(1), truncate_rows=20).truncated is False


def test_a_write_whose_rows_are_cut_runs_to_its_end(session: Session) -> None:
    result = run(
        session,
        f"INSERT INTO t (n) {NUMBERS.format(2000)} WHERE true RETURNING n",
        truncate_rows=3,
    )

    assert (result.rows, result.truncated) == ([(1,), (2,), (3,)], True)
    assert result.rows_affected == 2_000
    assert session.run("SELECT count(*) FROM t") == [(2_000,)]


def test_a_write_whose_rows_are_cut_runs_for_each_of_its_sets(session: Session) -> None:
    insert = "INSERT INTO t (n) VALUES (?) RETURNING n"
    sets = [[number] for number in range(50)]

    result = run(session, Statement(insert, parameter_sets=sets), truncate_rows=3)

    assert (result.rows, result.truncated) == ([(0,), (1,), (2,)], True)
    assert result.rows_affected == 50
    assert session.run("SELECT count(*) FROM t") == [(50,)]


def test_rows_are_fetched_in_chunks_that_grow_while_they_are_small(session: Session) -> None:
    chunks: list[int] = []

    def encode(_columns: tuple[str, ...], rows: list[Any]) -> tuple[list[Any], int]:
        chunks.append(len(rows))
        return rows, len(rows)

    budget = Budget(replace(LIMITS, rows_max=5_000), encode)
    run_within(budget, session, Statement(NUMBERS.format(3_000)))

    assert chunks[:5] == [1, 8, 16, 32, 64], "the names first"
    assert max(chunks) == executing.ROWS_AT_ONCE_MAX


def test_large_rows_are_fetched_one_by_one(session: Session) -> None:
    chunks: list[int] = []

    def encode(_columns: tuple[str, ...], rows: list[Any]) -> tuple[list[Any], int]:
        chunks.append(len(rows))
        return rows, len(rows) * (executing.CHUNK_BYTES_MAX + 1)

    budget = Budget(replace(LIMITS, bytes_max=2**40), encode)
    run_within(budget, session, Statement(NUMBERS.format(12)))

    assert chunks == [1, 8, 1, 1, 1, 1]


def test_each_set_of_parameters_is_counted_and_the_one_that_fails_is_named(
    session: Session,
) -> None:
    insert = "INSERT INTO t (n) VALUES (?)"
    result = run(session, Statement(insert, parameter_sets=[[1], [2], [3]]))
    assert (result.rows_affected, result.last_insert_rowid) == (3, 3)
    assert run(session, Statement(insert, parameter_sets=[])) == Result((), [], 0, 0, None)

    with pytest.raises(Constraint) as refused:
        run(session, Statement(insert, parameter_sets=[[4], [5], [1]]))

    assert refused.value.facts["parameter_set"] == 2


def test_of_several_statements_the_one_that_fails_is_named(session: Session) -> None:
    with pytest.raises(StatementError) as refused:
        execute_all(job("SELECT 1", "SELECT nothing"), session, Plans())
    assert refused.value.facts["statement"] == 1

    with pytest.raises(StatementError) as refused:
        execute_all(job("SELECT nothing"), session, Plans())
    assert "statement" not in refused.value.facts


def test_the_rowid_of_an_earlier_request_is_not_seen(session: Session) -> None:
    run(session, "INSERT INTO t (n) VALUES (1)")

    (seen,) = execute_all(job("SELECT last_insert_rowid()"), session, Plans())

    assert seen.rows == [(0,)]


def test_only_an_insert_that_inserted_has_a_rowid(session: Session) -> None:
    assert run(session, "INSERT INTO t (n) VALUES (1)").last_insert_rowid == 1
    assert run(session, "INSERT OR IGNORE INTO t (n) VALUES (1)").last_insert_rowid is None
    assert run(session, "UPDATE t SET n = 2").last_insert_rowid is None


@pytest.mark.parametrize(
    "sql",
    ["CREATE TABLE sqlatch_x (n)", "ALTER TABLE t RENAME TO sqlatch_x", "VACUUM"],
)
def test_a_definition_that_is_refused_is_undone_and_its_transaction_goes_on(
    session: Session, sql: str
) -> None:
    session.run("BEGIN")
    run(session, "INSERT INTO t (n) VALUES (1)")

    with pytest.raises(ForbiddenStatement):
        run(session, sql)

    assert session.connection.in_transaction
    session.finish("COMMIT")
    assert session.run("SELECT n FROM t") == [(1,)]


def test_a_table_without_another_id_says_what_to_do(session: Session) -> None:
    session.run("CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, n)")
    session.run("INSERT INTO a VALUES (9223372036854775807, 1)")

    with pytest.raises(SqlatchError, match="AUTOINCREMENT id, 9223372036854775807") as refused:
        run(session, "INSERT INTO a (n) VALUES (2)")

    assert refused.type is StatementError
