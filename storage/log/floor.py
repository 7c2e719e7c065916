"""The item of a database that says up to which record all may have been deleted."""

from collections.abc import Callable
from typing import cast

from sqlatch.kernel.errors import StorageError
from storage.log.log import Gone
from storage.log.table import Item, Table

BASE = 0
"""The key of the item. Records begin with 1."""

REMOVED_AT_ONCE = 50


def arrived(
    items: list[Item], txid: int, floor: "Floor", has: Callable[[Item], bool]
) -> list[Item]:
    """Return those of the records behind `txid` that a replica of the table has without a gap.

    What is missing first may also have been removed: then all are returned, and the gap is Gone.
    """
    for place, item in enumerate(items):
        if item["sk"] != txid + place + 1 or not has(item):
            return items if floor.txid() > txid + place else items[:place]
    return items


class Floor:
    """The item of one database. It is raised before the first of those records is deleted."""

    def __init__(self, database: str, table: Table) -> None:
        self._database = database
        self._table = table

    def raise_to(self, txid: int) -> None:
        self._table.raise_floor(self._database, BASE, txid)

    def check_reaches_back(self, txid: int) -> None:
        """Gone if what follows `txid` may have been deleted, and put again by who came late."""
        if self.txid() > txid:
            raise Gone(f"the records behind {txid} may have been deleted")

    def check_was_first(self, txid: int) -> None:
        """StorageError if the record may have been put behind the deletion of another one."""
        if self.txid() >= txid:
            raise StorageError(
                f"record {txid} was appended so late that another one of that number may have been"
                " removed; the same request with the same idempotency_key is safe",
                outcome="unknown",
            )

    def remove_some(self, txid: int) -> bool:
        """Remove the oldest records up to that one. Return whether there may be more."""
        items = self._table.behind(self._database, BASE, most=REMOVED_AT_ONCE)
        removed = [number for item in items if (number := cast("int", item["sk"])) <= txid]
        for number in removed:
            self._table.delete(self._database, number)
        return len(removed) == REMOVED_AT_ONCE

    def txid(self) -> int:
        """Return the number up to which all may have been deleted."""
        item = self._table.get(self._database, BASE)
        return 0 if item is None else cast("int", item["floor"])
