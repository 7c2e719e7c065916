"""Several jobs in one transaction: each undone by itself, all of them by what is not its own."""

from dataclasses import replace
from pathlib import Path

import pytest

from sqlatch.kernel.errors import Constraint, DatabaseBusy, StatementError, Timeout
from sqlexec.database import Database
from sqlexec.databases import Databases
from sqlexec.statement import Job, Outcome
from tests.grants import granted
from tests.sqlexec.conftest import LIMITS, Now, job, rows


@pytest.fixture(autouse=True)
def checked(database: Database) -> None:
    database.write(job("CREATE TABLE c (n CHECK (n < 10))"), granted())


def insert(number: int, *, group: str | None = None) -> Job:
    return job(f"INSERT INTO c VALUES ({number})", group=group)


def kinds(outcomes: list[object]) -> list[type]:
    return [type(outcome) for outcome in outcomes]


def test_a_work_that_fails_undoes_only_itself(database: Database) -> None:
    twice = job("INSERT INTO c VALUES (2)", "INSERT INTO c VALUES (99)")

    outcomes = database.write_each([insert(1), twice, insert(3)], granted())

    assert kinds([*outcomes]) == [Outcome, Constraint, Outcome]
    assert rows(database, "SELECT n FROM c") == [(1,), (3,)]


def test_behind_a_failure_nothing_of_its_group_runs_and_other_groups_do(
    database: Database,
) -> None:
    jobs = [
        insert(1, group="a"), insert(99, group="a"), insert(2, group="a"),
        insert(3, group="b"), insert(99), insert(4),
    ]  # fmt: skip

    outcomes = database.write_each(jobs, granted())

    assert kinds([*outcomes]) == [Outcome, Constraint, type(None), Outcome, Constraint, Outcome]
    assert rows(database, "SELECT n FROM c") == [(1,), (3,), (4,)]


def test_a_work_that_ends_the_transaction_is_left_out_of_the_next(database: Database) -> None:
    ends = job("INSERT OR ROLLBACK INTO c VALUES (99)")

    outcomes = database.write_each([insert(1), ends, insert(2), ends, insert(3)], granted())

    assert kinds([*outcomes]) == [Outcome, Constraint, Outcome, Constraint, Outcome]
    assert rows(database, "SELECT n FROM c") == [(1,), (2,), (3,)]


def test_what_is_not_the_works_own_fails_all(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply = Database._apply

    def busy(self: Database, one: Job, *arguments: object) -> Outcome:
        if one.group == "busy":
            raise DatabaseBusy("locked")
        return apply(self, one, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Database, "_apply", busy)

    with pytest.raises(DatabaseBusy):
        database.write_each([insert(1), insert(2, group="busy"), insert(3)], granted())

    assert rows(database, "SELECT n FROM c") == []


def test_a_work_that_takes_too_long_fails_by_itself(database: Database, now: Now) -> None:
    slow = replace(insert(1), limits=replace(LIMITS, timeout_s=-1))

    outcomes = database.write_each([slow, insert(2)], granted())

    assert kinds([*outcomes]) == [Timeout, Outcome]
    assert rows(database, "SELECT n FROM c") == [(2,)]


def test_a_repeat_within_the_batch_is_answered_from_its_record(database: Database) -> None:
    once = job("INSERT INTO c VALUES (1) RETURNING n", once="k")

    first, second = database.write_each([once, once], granted())

    assert isinstance(first, Outcome)
    assert isinstance(second, Outcome)
    assert (first.replayed is None, second.replayed is None) == (True, False)
    assert rows(database, "SELECT n FROM c") == [(1,)]


def test_a_batch_of_which_all_fail_makes_no_database(databases: Databases, tmp_path: Path) -> None:
    new = databases.get("new")

    (failed,) = new.write_each([job("INSERT INTO nothing VALUES (1)")], granted())
    assert isinstance(failed, StatementError)
    assert not (tmp_path / "new.db").exists()

    _failed, made = new.write_each([job("SELECT nothing"), job("CREATE TABLE t (n)")], granted())
    assert isinstance(made, Outcome)
    assert (tmp_path / "new.db").exists()
