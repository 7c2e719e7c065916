"""The names of the databases whose logs are in a table of DynamoDB."""

from hashlib import sha256
from typing import cast

from storage.log.log import is_nothing
from storage.log.table import Item, Table
from storage.log.turn import TURN

NAMES = "#names"
"""The key of their items: no database can have that name."""

NUMBER_BYTES = 15
"""DynamoDB's numbers have 38 digits."""

MARKS_MAX = 2
"""The items of a database whose keys are greater than those of all records."""


class Names:
    """The items with the names. One is put before the first record of its database."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._deleted: list[str] | None = None

    def put(self, name: str) -> None:
        digest = sha256(name.encode()).digest()[:NUMBER_BYTES]
        self._table.put({"pk": NAMES, "sk": int.from_bytes(digest), "name": name})

    def all(self) -> list[str]:
        """Return the names of the databases that are there, sorted."""
        names = [cast("str", item["name"]) for item in self._table.behind(NAMES, -1)]
        self._deleted = []
        found = []
        for name in sorted(names):
            newest = self.newest(name)
            if is_database(newest):
                found.append(name)
            elif newest is not None:
                self._deleted.append(name)
        return found

    def deleted(self) -> list[str]:
        """Return the names of the databases that were deleted when all were asked for last."""
        if self._deleted is None:
            self.all()
        return self._deleted or []

    def newest(self, name: str) -> Item | None:
        """Return the newest record of a database."""
        items = self._table.newest(name, MARKS_MAX + 1)
        return next((item for item in items if cast("int", item["sk"]) < TURN), None)


def is_database(newest: Item | None) -> bool:
    """Return False where nobody has made the first record, or the newest is a deletion."""
    return newest is not None and not is_nothing(cast("bytes", newest.get("base", b"")))
