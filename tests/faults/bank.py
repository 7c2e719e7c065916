"""A bank in a database: transfers that leave the sum as it was, a log of them, a counter."""

from typing import Any

from tests.conftest import Ask

ACCOUNTS = 40
BALANCE = 1_000
SUM = ACCOUNTS * BALANCE

NOTE = "x" * 900
"""Four accounts fill a page, so the two sides of a transfer mostly lie on two pages."""


def open_bank(ask: Ask, database: str) -> None:
    """Make the tables. The log has no key, so that a transfer made twice would be there twice."""
    ask(
        database=database,
        statements=[
            {"query": "CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER, note TEXT)"},
            {
                "query": "INSERT INTO account VALUES (?, ?, ?)",
                "parameter_sets": [[number, BALANCE, NOTE] for number in range(ACCOUNTS)],
            },
            {"query": "CREATE TABLE log (id TEXT, source INTEGER, target INTEGER, amount INTEGER)"},
            {"query": "CREATE TABLE counter AS SELECT 0 AS n"},
        ],
    )


def transfer(
    *, database: str, transfer_id: str, source: int, target: int, amount: int, timeout_ms: int
) -> dict[str, Any]:
    """The request for one transfer; it returns the counter, then the sum of all accounts."""
    return {
        "database": database,
        "timeout_ms": timeout_ms,
        "statements": [
            {
                "query": "UPDATE account SET balance = balance - ? WHERE id = ?",
                "parameters": [amount, source],
            },
            {
                "query": "UPDATE account SET balance = balance + ? WHERE id = ?",
                "parameters": [amount, target],
            },
            {
                "query": "INSERT INTO log VALUES (?, ?, ?, ?)",
                "parameters": [transfer_id, source, target, amount],
            },
            {"query": "UPDATE counter SET n = n + 1 RETURNING n"},
            {"query": "SELECT sum(balance) FROM account"},
        ],
    }


def count_and_sum(reply: dict[str, Any]) -> tuple[int, int]:
    """Transfer an amount, and return the answer."""
    *_, count, total = reply["results"]
    return count["rows"][0][0], total["rows"][0][0]


def look(*, database: str, timeout_ms: int) -> dict[str, Any]:
    """The request that reads, in one snapshot, what must agree: sum, counter, length of the log."""
    return {
        "database": database,
        "timeout_ms": timeout_ms,
        "statements": [
            {"query": "SELECT sum(balance) FROM account"},
            {"query": "SELECT n FROM counter"},
            {"query": "SELECT count(*) FROM log"},
        ],
    }


def seen(reply: dict[str, Any]) -> tuple[int, int, int]:
    """Sum, counter and length of the log."""
    total, count, length = (result["rows"][0][0] for result in reply["results"])
    return total, count, length
