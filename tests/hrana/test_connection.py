"""Transaction control, savepoints and PRAGMAs of a stream: what is open, and what ends it."""

import os

import pytest

from tests.hrana.client import Client, balances, execute, plain, results

pytestmark = pytest.mark.usefixtures("accounts")


def test_the_release_of_an_inner_savepoint_commits_nothing(client: Client) -> None:
    stream = client.stream()
    stream.execute("SAVEPOINT a")
    stream.execute("SAVEPOINT b")
    stream.execute("UPDATE account SET balance = 1")
    stream.execute("RELEASE b")
    assert balances(client) == [100, 100]
    assert stream.ask({"type": "get_autocommit"})[0]["response"]["is_autocommit"] is False

    stream.execute("ROLLBACK TO a")
    stream.execute("RELEASE a")

    assert balances(client) == [100, 100]


def test_of_two_savepoints_with_one_name_the_inner_is_meant(client: Client) -> None:
    stream = client.stream()
    stream.execute("SAVEPOINT a")
    stream.execute("UPDATE account SET balance = 1 WHERE id = 1")
    stream.execute("SAVEPOINT A")
    stream.execute("UPDATE account SET balance = 2 WHERE id = 2")
    stream.execute("ROLLBACK TO a")
    stream.execute("RELEASE a")
    assert balances(client) == [100, 100]
    stream.execute("RELEASE a")

    assert balances(client) == [1, 100]


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("COMMIT", "cannot commit - no transaction is active"),
        ("ROLLBACK", "cannot rollback - no transaction is active"),
        ("RELEASE a", "no such savepoint: a"),
        ("ROLLBACK TO a", "no such savepoint: a"),
    ],
)
def test_what_ends_no_transaction_is_refused_as_sqlite_does(
    client: Client, sql: str, why: str
) -> None:
    assert client.stream().refused(sql) == {"message": why, "code": "SQLITE_ERROR"}


def test_a_transaction_within_a_transaction_is_refused_and_the_first_goes_on(
    client: Client,
) -> None:
    stream = client.stream()
    stream.execute("BEGIN")
    stream.execute("UPDATE account SET balance = 1")
    assert "within a transaction" in stream.refused("BEGIN")["message"]
    stream.execute("COMMIT")

    assert balances(client) == [1, 1]


def test_foreign_keys_are_not_switched_within_a_transaction(client: Client) -> None:
    client.stream().execute("CREATE TABLE holder (account REFERENCES account)")
    stream = client.stream()
    stream.execute("BEGIN")
    stream.execute("PRAGMA foreign_keys = off")

    assert stream.refused("INSERT INTO holder VALUES (9)")["code"] == "SQLITE_CONSTRAINT"


def test_savepoints_are_nested_in_a_transaction(client: Client) -> None:
    stream = client.stream()
    stream.execute("BEGIN")
    stream.execute("SAVEPOINT a")
    stream.execute("UPDATE account SET balance = 1 WHERE id = 1")
    stream.execute("SAVEPOINT b")
    stream.execute("UPDATE account SET balance = 2 WHERE id = 2")
    stream.execute("ROLLBACK TO b")
    stream.execute("RELEASE a")
    assert "no such savepoint" in stream.refused("RELEASE a")["message"]
    stream.execute("COMMIT")

    assert balances(client) == [1, 100]


def test_the_release_of_a_savepoint_that_began_a_transaction_commits(client: Client) -> None:
    stream = client.stream()
    stream.execute("SAVEPOINT a")
    stream.execute("UPDATE account SET balance = 1 WHERE id = 1")
    assert balances(client) == [100, 100]
    stream.execute("RELEASE a")

    assert balances(client) == [1, 100]


def test_a_conflict_that_rolls_back_ends_the_transaction_as_in_sqlite(client: Client) -> None:
    stream = client.stream()
    stream.execute("BEGIN")
    stream.execute("UPDATE account SET balance = 1")
    assert stream.refused("INSERT OR ROLLBACK INTO account VALUES (1, 5)")["code"] == (
        "SQLITE_CONSTRAINT"
    )

    assert "no transaction is active" in stream.refused("COMMIT")["message"]
    assert balances(client) == [100, 100]


def test_the_names_of_savepoints_have_a_limit(client: Client) -> None:
    stream = client.stream()
    stream.execute("BEGIN")
    stream.execute("SAVEPOINT a")
    names = [os.urandom(3_000).hex() for _number in range(20)]
    answers = stream.ask(*[execute(f'SAVEPOINT "{name}"') for name in names])

    assert [one["type"] for one in answers] == ["ok", *["error"] * 19]
    assert answers[1]["error"]["code"] == "TRANSACTION_TOO_LARGE"
    assert len(stream.baton or "") < 44 * 1024
    stream.execute("ROLLBACK TO a")
    stream.execute("COMMIT")


def test_a_savepoint_that_is_refused_begins_no_transaction(client: Client) -> None:
    stream = client.stream()
    stream.execute("CREATE TABLE t (n)")
    stream.refused(f"SAVEPOINT {'a' * 10_001}")
    stream.execute("INSERT INTO t VALUES (1)")

    assert client.rows("SELECT n FROM t") == [[1]]


def test_foreign_keys_may_be_off_for_a_stream_and_are_on_for_the_next(client: Client) -> None:
    results(client, execute("CREATE TABLE p (id INTEGER PRIMARY KEY)"))
    results(client, execute("CREATE TABLE c (p REFERENCES p)"))
    (off, inserted, seen) = results(
        client,
        execute("PRAGMA foreign_keys = off"),
        execute("INSERT INTO c VALUES (1)"),
        execute("PRAGMA foreign_keys"),
    )
    assert (off["type"], inserted["type"], plain(seen["response"]["result"])) == ("ok", "ok", [[0]])

    (refused,) = results(client, execute("INSERT INTO c VALUES (2)"))
    assert refused["error"]["code"] == "SQLITE_CONSTRAINT"


def test_vacuum_runs_alone_and_not_in_a_transaction(client: Client) -> None:
    results(client, execute("CREATE TABLE t (n)"))
    alone, _begin, within = results(client, execute("VACUUM"), execute("BEGIN"), execute("VACUUM"))
    assert (alone["type"], within["type"]) == ("ok", "error")


def test_a_database_that_is_not_there_looks_empty_and_is_made_by_a_commit(client: Client) -> None:
    new = Client(client.token, "new")
    assert new.rows(
        "SELECT count(*) FROM sqlite_schema WHERE tbl_name <> 'sqlatch_idempotency'"
    ) == [[0]]
    stream = new.stream()
    stream.execute("BEGIN")
    stream.execute("CREATE TABLE t (n)")
    stream.execute("INSERT INTO t VALUES (1)")
    assert plain(stream.execute("SELECT n FROM t")) == [[1]]
    assert "no such table" in new.stream().refused("SELECT * FROM t")["message"]
    stream.execute("COMMIT")

    assert new.rows("SELECT n FROM t") == [[1]]
