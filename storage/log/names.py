"""The names of the databases whose logs are in a table of DynamoDB."""

from hashlib import sha256
from typing import cast

from storage.log.table import Table
from storage.log.turn import TURN

NAMES = "#names"
"""The key of their items: no database can have that name."""

NUMBER_BYTES = 15
"""DynamoDB's numbers have 38 digits."""


class Names:
    """The items with the names. One is put before the first record of its database."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def put(self, name: str) -> None:
        digest = sha256(name.encode()).digest()[:NUMBER_BYTES]
        self._table.put({"pk": NAMES, "sk": int.from_bytes(digest), "name": name})

    def all(self) -> list[str]:
        """Return the names of the databases that have a record, sorted."""
        names = [cast("str", item["name"]) for item in self._table.behind(NAMES, -1)]
        return sorted(filter(self._has_records, names))

    def _has_records(self, name: str) -> bool:
        """Return False for the database of a writer that was killed before its first append."""
        items = self._table.behind(name, 0, most=1)
        return bool(items) and items[0]["sk"] != TURN
