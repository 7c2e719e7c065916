"""Books as nodes: each field in a database of its own, so that fields are written and read side by
side."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from sqlatch.kernel.values import Value
from sqlatch.uid import Uids

if TYPE_CHECKING:
    from sqlatch.aio import Client

FIELDS = {
    "title": "TEXT",
    "author": "TEXT",
    "year": "INTEGER",
    "pages": "INTEGER",
    "rating": "REAL",
}
"""The type of each field, and the name of its database."""

NODES = "nodes"
"""The database of the ids: a node is there when its id is."""

CREATE_NODES = "CREATE TABLE IF NOT EXISTS node (id INTEGER PRIMARY KEY) STRICT"
INSERT_NODE = "INSERT INTO node (id) VALUES (?) ON CONFLICT DO NOTHING"
INSERT = """
INSERT INTO field (id, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value
"""
PAGE = "SELECT id FROM node WHERE id > ? ORDER BY id LIMIT ?"
WITH_IDS = "SELECT id FROM node WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id"
VALUES = "SELECT id, value FROM field WHERE id IN (SELECT value FROM json_each(?))"
WITH_VALUE = "SELECT id FROM field WHERE value = ? ORDER BY id LIMIT ?"

NODES_MAX = 1_000
"""Nodes of one answer."""


def create_statements(field: str) -> list[str]:
    """Return what makes the database of a field, if it is not there."""
    return [
        f"CREATE TABLE IF NOT EXISTS field (id INTEGER PRIMARY KEY, value {FIELDS[field]}) STRICT",
        "CREATE INDEX IF NOT EXISTS field_value ON field (value)",
    ]


class Nodes:
    """The nodes of one service. A node is visible when all of its fields have been written."""

    def __init__(self, connect: Callable[[str], "Client"], uids: Uids) -> None:
        self._ids = connect(NODES)
        self._fields = {field: connect(field) for field in FIELDS}
        self._uids = uids

    async def prepare(self) -> None:
        """Make the databases that are not there."""
        await asyncio.gather(
            self._ids.execute(CREATE_NODES),
            *(client.batch(create_statements(field)) for field, client in self._fields.items()),
        )

    async def create(self, values: Mapping[str, Value]) -> int:
        """Write a node; return its id, which is greater than those of nodes made before."""
        node_id = await asyncio.to_thread(self._uids.next)
        await self.update(node_id, values)
        await self._ids.execute(INSERT_NODE, [node_id])
        return node_id

    async def update(self, node_id: int, values: Mapping[str, Value]) -> None:
        """Write fields of a node. Each is a transaction of its own: there is none over several."""
        await asyncio.gather(
            *(
                self._fields[field].execute(INSERT, [node_id, value])
                for field, value in values.items()
            )
        )

    async def page(self, after: int, number: int) -> list[int]:
        """Return the ids behind one, in the order in which their nodes were made."""
        return _ids((await self._ids.query(PAGE, [after, min(number, NODES_MAX)])).rows)

    async def find(self, field: str, value: Value, number: int) -> list[int]:
        """Return the ids of nodes with this value, oldest first."""
        found = await self._fields[field].query(WITH_VALUE, [value, min(number, NODES_MAX)])
        return await self.known(_ids(found.rows))

    async def known(self, ids: Sequence[int]) -> list[int]:
        """Return those of the ids that are nodes."""
        return _ids((await self._ids.query(WITH_IDS, [_json(ids)])).rows)

    async def read(self, ids: Sequence[int], fields: Iterable[str]) -> dict[int, dict[str, Value]]:
        """Return these fields of nodes, by id: one request a field, all at once."""
        names = list(fields)
        results = await asyncio.gather(
            *(self._fields[field].query(VALUES, [_json(ids)]) for field in names)
        )
        values: dict[int, dict[str, Value]] = defaultdict(dict)
        for field, result in zip(names, results, strict=True):
            for node_id, value in result.rows:
                assert isinstance(node_id, int)
                values[node_id][field] = value
        return values

    async def close(self) -> None:
        await asyncio.gather(self._ids.close(), *(each.close() for each in self._fields.values()))


def _ids(rows: Iterable[Sequence[Value]]) -> list[int]:
    return [node_id for (node_id,) in rows if isinstance(node_id, int)]


def _json(ids: Sequence[int]) -> str:
    return f"[{','.join(map(str, ids))}]"
