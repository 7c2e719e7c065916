"""The lease table, opened by its address in the settings."""

from pathlib import Path
from typing import Protocol

from .leader import LeaderTable
from .lease import LeaseTable

DYNAMODB = "dynamodb:"
SQLITE = "sqlite:"


class Table(LeaseTable, LeaderTable, Protocol):
    """The table of the leases on databases, and of those of leaders."""


def open_table(address: str) -> Table:
    """The table at `dynamodb:<table>` or `sqlite:<file>`; ValueError for anything else.

    What calls AWS is loaded here, at the first write, and not by a process that only reads.
    """
    if address.startswith(DYNAMODB) and address != DYNAMODB:
        from .dynamodb import DynamoDBTable

        return DynamoDBTable(address.removeprefix(DYNAMODB))
    if address.startswith(SQLITE) and address != SQLITE:
        from .sqlite import SQLiteTable

        return SQLiteTable(Path(address.removeprefix(SQLITE)))
    raise ValueError(f"{address!r} is neither dynamodb:<table> nor sqlite:<file>")
