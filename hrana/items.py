"""The files of streams in a DynamoDB table, beside the logs of the databases.

A file is an item that says how long it is, and items with its parts. No database can have a name
with a `#`, so none of their keys is one of a database.
"""

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from itertools import islice

from hrana.files import KEY_BYTES, derived, kept_s, new_name
from hrana.table import Table, Write, key_of, number
from sqlatch.kernel.aws.dynamodb import Attribute, binary, bytes_of
from sqlatch.kernel.aws.errors import ConditionFailed
from sqlatch.kernel.errors import StorageError

KEY, FILES, PARTS = "#key", "#streams", "#stream#"
"""Partition keys: of the signing key, of the items of all files, and before a name of its parts."""

NUMBER_BYTES = 15
"""DynamoDB's numbers have 38 digits."""

PART_BYTES = 350_000
"""An item may have 409,600."""

PARTS_MAX = 10
"""Of one transaction, which may have 4 MB."""

CLEARED_MAX = 500
"""Files of one run of the reaper: the next one goes on."""

AS_LONG = "size_bytes = :known"
IS_KEPT = "attribute_exists(size_bytes)"
IS_PAST = "expires_at < :now"
GROW = "SET size_bytes = :size_bytes, expires_at = :expires_at"
KEEP = "SET expires_at = :expires_at"
END = "REMOVE size_bytes"
"""A file that is being removed has no length, so nothing is added to it."""


class StreamItems:
    """The items of a service's streams: see `Files`.

    Parts are written in one transaction with the item that has the length, up to `PARTS_MAX` of
    them. So of two who go on from one length one is refused, and no part is there without its file.
    """

    def __init__(self, table: Table, *, now: Callable[[], float] = time.time) -> None:
        self._table = table
        self._now = now

    def key(self) -> bytes:
        key = key_of(KEY, 0)
        item = self._table.get(key)
        if item is None:
            mine = secrets.token_bytes(KEY_BYTES)
            self._table.put_new({**key, "content": binary(mine)})
            # One of all who try has put it.
            item = self._table.get(key)
            assert item is not None, "it is never removed"
        return bytes_of(item["content"])

    def key_of(self, database: str) -> bytes:
        return derived(self.key(), database)

    def put(self, kind: str, content: bytes) -> str:
        name = new_name(kind)
        item = {
            **_key_of(name),
            "name": {"S": name},
            "size_bytes": number(len(content)),
            "expires_at": self._expires_at(name),
        }
        try:
            self._write(name, {"Put": {"Item": item}}, 0, content)
        except ConditionFailed as error:
            raise StorageError(
                f"the table {self._table.name!r}: a file of a stream was cleared while it was"
                " written: send the request again",
                table=self._table.name,
            ) from error
        return name

    def append(self, name: str, size_bytes: int, content: bytes) -> bool:
        grown = {":size_bytes": number(size_bytes + len(content))}
        change = self._change(name, GROW, AS_LONG, {":known": number(size_bytes), **grown})
        try:
            self._write(name, {"Update": change}, size_bytes, content)
        except ConditionFailed:
            return False
        return True

    def touch(self, name: str) -> None:
        with suppress(ConditionFailed):
            self._table.update(self._change(name, KEEP, IS_KEPT, {}))

    def get(self, name: str, size_bytes: int | None = None) -> bytes | None:
        condition, values = "pk = :pk", {":pk": {"S": PARTS + name}}
        if size_bytes is not None:
            condition += " AND sk < :end"
            values[":end"] = number(size_bytes)
        content = bytearray()
        wanted_bytes = size_bytes
        for part in self._table.query(condition, values):
            content += bytes_of(part["content"])
            if size_bytes is None:
                wanted_bytes = int(part["size_bytes"]["N"])
        return bytes(content) if len(content) == wanted_bytes else None

    def clear(self, now_s: float) -> int:
        values = {":pk": {"S": FILES}, ":now": number(now_s)}
        past = self._table.query("pk = :pk", values, FilterExpression=IS_PAST)
        names = [item["name"]["S"] for item in islice(past, CLEARED_MAX)]
        return sum(self._remove(name, now_s) for name in names)

    def _write(self, name: str, change: Write, offset: int, content: bytes) -> None:
        """Write content, its first parts with the change of the file's item; ConditionFailed."""
        size_bytes = offset + len(content)
        starts = range(0, len(content), PART_BYTES)
        for first in range(0, max(len(starts), 1), PARTS_MAX):
            parts = [
                _part(name, offset + start, size_bytes, content[start : start + PART_BYTES])
                for start in starts[first : first + PARTS_MAX]
            ]
            self._table.transact([change, *parts])
            change = {"Update": self._change(name, KEEP, AS_LONG, {":known": number(size_bytes)})}

    def _remove(self, name: str, now_s: float) -> bool:
        """Remove a file whose time is over, in order; False if it is kept for longer after all."""
        item = {
            "Key": _key_of(name),
            "ConditionExpression": IS_PAST,
            "ExpressionAttributeValues": {":now": number(now_s)},
        }
        of_file = {":pk": {"S": PARTS + name}}
        is_last = False
        while not is_last:
            page = self._table.page(
                "pk = :pk", of_file, ProjectionExpression="pk, sk", Limit=PARTS_MAX
            )
            is_last = "LastEvaluatedKey" not in page
            change = {"Delete": item} if is_last else {"Update": {**item, "UpdateExpression": END}}
            parts = [{"Delete": {"Key": key}} for key in page["Items"]]
            try:
                self._table.transact([change, *parts])
            except ConditionFailed:
                return False
        return True

    def _change(
        self, name: str, update: str, condition: str, values: dict[str, Attribute]
    ) -> Write:
        """Return a change of a file's item, after which it is kept for longer."""
        return {
            "Key": _key_of(name),
            "UpdateExpression": update,
            "ConditionExpression": condition,
            "ExpressionAttributeValues": {**values, ":expires_at": self._expires_at(name)},
        }

    def _expires_at(self, name: str) -> Attribute:
        return number(self._now() + kept_s(name))


def _key_of(name: str) -> dict[str, Attribute]:
    """Return the key of a file's item."""
    return key_of(FILES, int.from_bytes(sha256(name.encode()).digest()[:NUMBER_BYTES]))


def _part(name: str, offset: int, size_bytes: int, content: bytes) -> Write:
    """Return the write of a part of a file that is so long with it and those behind it."""
    item = {
        **key_of(PARTS + name, offset),
        "content": binary(content),
        "size_bytes": number(size_bytes),
    }
    return {"Put": {"Item": item}}
