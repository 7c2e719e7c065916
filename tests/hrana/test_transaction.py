"""Transactions between requests: serializable, committed once, and nobody waits for them."""

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from handler.service import service
from sqlexec.plan import PLAN_BYTES_MAX
from tests.hrana.client import Client, balances, execute, plain

pytestmark = pytest.mark.usefixtures("accounts")


@pytest.mark.lease_tables
def test_what_is_committed_is_there_and_what_is_rolled_back_is_not(client: Client) -> None:
    for end in ("ROLLBACK", "COMMIT"):
        stream = client.stream()
        stream.execute("BEGIN")
        stream.execute("UPDATE account SET balance = balance - 10 WHERE id = 1")
        stream.execute("UPDATE account SET balance = balance + 10 WHERE id = 2")
        assert plain(stream.execute("SELECT sum(balance), max(balance) FROM account")) == [
            [200, 110]
        ]
        assert balances(client) == [100, 100]
        stream.execute(end)

    assert balances(client) == [90, 110]


def test_an_update_that_would_be_lost_is_refused(client: Client, other: Client) -> None:
    first, second = client.stream(), other.stream()
    for stream in (first, second):
        stream.execute("BEGIN")
        assert plain(stream.execute("SELECT balance FROM account WHERE id = 1")) == [[100]]
    for stream, balance in ((first, 101), (second, 102)):
        stream.execute("UPDATE account SET balance = ? WHERE id = 1", balance)
    first.execute("COMMIT")

    assert second.refused("COMMIT")["code"] == "SQLITE_BUSY"
    assert balances(client) == [101, 100]
    second.execute("ROLLBACK")
    second.execute("BEGIN")
    second.execute("UPDATE account SET balance = balance + 1 WHERE id = 1")
    second.execute("COMMIT")
    assert balances(client) == [102, 100]


def test_nothing_behind_a_conflict_is_committed_by_itself(client: Client, other: Client) -> None:
    stream = client.stream()
    stream.execute("BEGIN")
    stream.execute("SELECT sum(balance) FROM account")
    other.stream().execute("UPDATE account SET balance = 0")

    results = stream.ask(
        execute("INSERT INTO account VALUES (3, 1)"),
        execute("INSERT INTO account VALUES (4, 1)"),
        {"type": "get_autocommit"},
        execute("COMMIT"),
    )
    assert [result["type"] for result in results] == ["error", "error", "ok", "error"]
    assert {result["error"]["code"] for result in results if result["type"] == "error"} == {
        "SQLITE_BUSY"
    }
    assert not results[2]["response"]["is_autocommit"]
    assert balances(client) == [0, 0]


@pytest.mark.lease_tables
def test_a_transaction_left_open_keeps_nobody(client: Client, other: Client) -> None:
    stream = client.stream()
    stream.execute("BEGIN IMMEDIATE")
    stream.execute("UPDATE account SET balance = 1")

    assert service().held_leases() == []
    other.stream().execute("UPDATE account SET balance = 2")
    assert balances(client) == [2, 2]


def test_time_and_chance_are_the_same_when_it_is_run_again(client: Client) -> None:
    client.stream().execute(
        "CREATE TABLE t (at DEFAULT CURRENT_TIMESTAMP, r DEFAULT (random()), n)"
    )
    stream = client.stream()
    stream.execute("BEGIN")
    said = plain(
        stream.execute(
            "INSERT INTO t (n) VALUES (strftime('%f', 'now')), (random())"
            " RETURNING at, r, n, hex(randomblob(8)), datetime('now', 'subsec')"
        )
    )
    again = plain(stream.execute("SELECT at, r, n FROM t"))
    stream.execute("COMMIT")

    assert again == [row[:3] for row in said]
    assert client.rows("SELECT at, r, n FROM t") == again
    assert said[0][1] != said[1][1]


def test_a_commit_sent_again_is_applied_once_and_answered_alike(client: Client) -> None:
    stream = client.stream()
    stream.execute("BEGIN")
    stream.execute("UPDATE account SET balance = balance + 1 WHERE id = 1")
    ending = [
        execute("UPDATE account SET balance = balance + 1 WHERE id = 1 RETURNING balance"),
        execute("COMMIT"),
        execute("UPDATE account SET balance = balance + 1 WHERE id = 2"),
    ]
    first = client.pipeline(*ending, baton=stream.baton)
    again = client.pipeline(*ending, baton=stream.baton)

    assert again["results"] == first["results"]
    assert balances(client) == [102, 101]


def test_a_baton_whose_transaction_is_committed_is_good_for_nothing_else(client: Client) -> None:
    stream = client.stream()
    stream.execute("BEGIN")
    stream.execute("UPDATE account SET balance = balance + 1 WHERE id = 1")
    used = stream.baton
    stream.execute("COMMIT")

    for requests in ([execute("COMMIT")] * 2, [execute("SELECT 1")]):
        status, body = client.send("/v3/pipeline", {"baton": used, "requests": requests})
        assert (status, body["code"]) == (400, "BAD_BATON")
    assert balances(client) == [101, 100]


def test_a_statement_that_fails_is_part_of_the_transaction(client: Client, other: Client) -> None:
    stream = client.stream()
    stream.execute("BEGIN")
    error = stream.refused("INSERT INTO account VALUES (1, 5)")
    assert error["code"] == "SQLITE_CONSTRAINT"
    stream.execute("INSERT INTO account VALUES (3, 5)")
    other.stream().execute("DELETE FROM account WHERE id = 1")

    assert stream.refused("COMMIT")["code"] == "SQLITE_BUSY"
    assert client.rows("SELECT id FROM account") == [[2]]


def test_a_read_only_transaction_writes_nothing(client: Client) -> None:
    stream = client.stream()
    stream.execute("BEGIN TRANSACTION READONLY")
    assert stream.refused("UPDATE account SET balance = 1")["code"] == "SQLITE_READONLY"
    stream.execute("COMMIT")

    assert balances(client) == [100, 100]


def test_the_rowid_of_an_insert_is_there_in_the_next_request(client: Client) -> None:
    stream = client.stream()
    stream.execute("BEGIN")
    assert stream.execute("INSERT INTO account (balance) VALUES (7)")["last_insert_rowid"] == "3"
    assert plain(stream.execute("SELECT last_insert_rowid()")) == [[3]]
    stream.execute("COMMIT")

    assert plain(stream.execute("SELECT last_insert_rowid()")) == [[3]]


def test_a_pragma_whose_order_is_by_chance_is_no_conflict_with_itself(client: Client) -> None:
    for number in range(20):
        client.stream().execute(f"CREATE TABLE t{number} (n)")
    for number in range(0, 20, 2):
        client.stream().execute(f"DROP TABLE t{number}")
    names = "SELECT name FROM pragma_table_list"
    for sql in ("PRAGMA table_list", names):
        stream = client.stream()
        stream.execute("BEGIN")
        stream.execute(sql)
        stream.execute("CREATE TABLE new (n)")
        stream.execute("DROP TABLE new")
        stream.execute("COMMIT")


def test_a_table_that_a_pragma_did_not_list_is_a_conflict(client: Client, other: Client) -> None:
    stream = client.stream()
    stream.execute("BEGIN")
    stream.execute("PRAGMA table_list")
    other.stream().execute("CREATE TABLE new (n)")

    assert stream.refused("UPDATE account SET balance = 0")["code"] == "SQLITE_BUSY"


def test_a_table_whose_definition_is_long_is_made_in_a_transaction(client: Client) -> None:
    """So long a text is not remembered; prepared once more, it would find the table there."""
    stream = client.stream()
    stream.execute("BEGIN")
    stream.execute(f"CREATE TABLE long (n, '{'x' * 2 * PLAN_BYTES_MAX}')")
    stream.execute("INSERT INTO long (n) VALUES (1)")
    stream.execute("COMMIT")

    assert client.rows("SELECT n FROM long") == [[1]]


ONLY_IN_COUNTS = {
    "rows changed": "UPDATE account SET balance = 7 WHERE balance = 100",
    "rows deleted": "DELETE FROM account WHERE balance = 100",
    "rows that a constraint passes over": "INSERT OR IGNORE INTO account VALUES (2, 5), (9, 5)",
    "rowid of an insert": "INSERT INTO account (balance) VALUES (5)",
    "rowid of a row written over": "INSERT OR REPLACE INTO account (balance) VALUES (5)",
}


@pytest.mark.parametrize("sql", ONLY_IN_COUNTS.values(), ids=ONLY_IN_COUNTS)
def test_a_conflict_that_shows_only_in_a_count_is_one(
    client: Client, other: Client, sql: str
) -> None:
    stream = client.stream()
    stream.execute("BEGIN")
    stream.execute(sql)
    other.stream().execute("DELETE FROM account WHERE id = 2")

    assert stream.refused("COMMIT")["code"] == "SQLITE_BUSY"
    assert client.rows("SELECT * FROM account") == [[1, 100]]


@pytest.mark.parametrize("count", ["changes()", "total_changes()"])
def test_a_count_that_was_read_is_compared(client: Client, other: Client, count: str) -> None:
    stream = client.stream()
    stream.execute("BEGIN")
    stream.ask({"type": "sequence", "sql": "UPDATE account SET balance = 7 WHERE balance = 100"})
    stream.execute(f"INSERT INTO account SELECT 9, {count}")
    other.stream().execute("UPDATE account SET balance = 99 WHERE id = 2")

    assert stream.refused("COMMIT")["code"] == "SQLITE_BUSY"
    assert client.rows("SELECT * FROM account") == [[1, 100], [2, 99]]


def test_the_counts_of_changes_are_the_transactions_own(client: Client, other: Client) -> None:
    counts = "SELECT changes(), total_changes()"
    stream = client.stream()
    for _time in range(2):
        stream.execute("BEGIN")
        said = [plain(stream.execute(counts))]
        other.stream().execute("INSERT INTO account (balance) VALUES (1), (2), (3)")
        stream.execute("UPDATE account SET balance = balance + 1 WHERE id < 3")
        said.append(plain(stream.execute(counts)))
        stream.execute("UPDATE account SET balance = 8 WHERE id = 2")
        said.append(plain(stream.execute(counts)))
        stream.execute("COMMIT")
        assert said == [[[0, 0]], [[2, 2]], [[1, 3]]]


def test_counts_of_changes_in_a_trigger_are_as_sqlite_has_them(client: Client) -> None:
    client.stream().ask(
        execute("CREATE TABLE seen (changes, total)"),
        execute(
            "CREATE TRIGGER t AFTER UPDATE ON account BEGIN"
            " INSERT INTO seen VALUES (changes(), total_changes());"
            " INSERT INTO seen VALUES (changes(), total_changes()); END"
        ),
    )
    stream = client.stream()
    stream.execute("BEGIN")
    stream.execute("UPDATE account SET balance = 1")
    stream.execute("UPDATE account SET balance = 2")
    said = plain(stream.execute("SELECT * FROM seen"))
    stream.execute("COMMIT")

    with closing(sqlite3.connect(":memory:", isolation_level=None)) as plain_sqlite:
        for sql in (
            "CREATE TABLE account (id INTEGER PRIMARY KEY, balance)",
            "CREATE TABLE seen (changes, total)",
            "CREATE TRIGGER t AFTER UPDATE ON account BEGIN"
            " INSERT INTO seen VALUES (changes(), total_changes());"
            " INSERT INTO seen VALUES (changes(), total_changes()); END",
            "INSERT INTO account VALUES (1, 100), (2, 100)",
            "DELETE FROM account WHERE 0",
            "UPDATE account SET balance = 1",
            "UPDATE account SET balance = 2",
        ):
            plain_sqlite.execute(sql)
        expected = plain_sqlite.execute("SELECT changes, total - 2 FROM seen").fetchall()
    assert said == [list(row) for row in expected]
    assert client.rows("SELECT * FROM seen") == said


@pytest.mark.only_with("inplace", "log", because="a log in a table has no leases")
def test_a_write_that_met_a_busy_lease_does_not_make_the_transaction_a_writer(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLATCH_TIMEOUT_MS", "200")
    service().close()
    service.cache_clear()
    stream = client.stream()
    stream.execute("BEGIN")
    deadline_s = service().clock.now() + 10
    with service().leases.hold("main", holder="other", deadline_s=deadline_s, patience_s=1):
        assert stream.refused("UPDATE account SET balance = 1")["code"] == "SQLITE_BUSY"
        assert plain(stream.execute("SELECT sum(balance) FROM account")) == [[200]]
        stream.execute("COMMIT")


@pytest.mark.parametrize("args", [[], ["a", "b"]])
def test_a_write_whose_values_do_not_fit_leaves_a_transaction_that_commits(
    client: Client, args: list[Any]
) -> None:
    client.stream().execute("CREATE TABLE u (n)")
    begun, refused, committed = client.stream().ask(
        execute("BEGIN"), execute("INSERT INTO u VALUES (?)", *args), execute("COMMIT")
    )

    assert (begun["type"], refused["error"]["code"]) == ("ok", "ARGS_INVALID")
    assert committed["type"] == "ok"
    assert client.rows("SELECT count(*) FROM u") == [[0]]
