"""The GraphQL schema: a field of a book is read from its database only if a query asks for it."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import cast

import strawberry
from strawberry.dataloader import DataLoader
from strawberry.fastapi import BaseContext
from strawberry.types import Info

from examples.graphql.nodes import FIELDS, Nodes
from sqlatch.kernel.values import Value
from sqlatch.uid import time_ms

PAGE = 20


class Context(BaseContext):
    """The data of one request. All reads of one field in a query are one request."""

    def __init__(self, nodes: Nodes) -> None:
        super().__init__()
        self.nodes = nodes
        self.fields = {
            field: DataLoader[int, Value](load_fn=_reader(nodes, field)) for field in FIELDS
        }


def _reader(nodes: Nodes, field: str) -> Callable[[list[int]], Awaitable[list[Value]]]:
    async def read(ids: list[int]) -> list[Value]:
        values = await nodes.read(ids, [field])
        return [values.get(node_id, {}).get(field) for node_id in ids]

    return read


@strawberry.type
class Book:
    """A node of the API. Its id says when it was made."""

    id: strawberry.ID

    @strawberry.field
    def made_at_ms(self) -> float:
        return time_ms(int(self.id))

    @strawberry.field
    async def title(self, info: Info[Context]) -> str | None:
        return cast("str | None", await self._field(info))

    @strawberry.field
    async def author(self, info: Info[Context]) -> str | None:
        return cast("str | None", await self._field(info))

    @strawberry.field
    async def year(self, info: Info[Context]) -> int | None:
        return cast("int | None", await self._field(info))

    @strawberry.field
    async def pages(self, info: Info[Context]) -> int | None:
        return cast("int | None", await self._field(info))

    @strawberry.field
    async def rating(self, info: Info[Context]) -> float | None:
        return cast("float | None", await self._field(info))

    async def _field(self, info: Info[Context]) -> Value:
        return await info.context.fields[info.field_name].load(int(self.id))


@strawberry.input
class Fields:
    """The fields of a book that are written; the others stay as they are."""

    title: str | None = strawberry.UNSET
    author: str | None = strawberry.UNSET
    year: int | None = strawberry.UNSET
    pages: int | None = strawberry.UNSET
    rating: float | None = strawberry.UNSET

    def given(self) -> dict[str, Value]:
        return {name: one for name, one in asdict(self).items() if one is not strawberry.UNSET}


def _books(ids: list[int]) -> list[Book]:
    return [Book(id=strawberry.ID(str(node_id))) for node_id in ids]


@strawberry.type
class Query:
    """Books by id, by a field, or in the order in which they were made."""

    @strawberry.field
    async def book(self, info: Info[Context], id: strawberry.ID) -> Book | None:
        return next(iter(_books(await info.context.nodes.known([int(id)]))), None)

    @strawberry.field
    async def books(
        self, info: Info[Context], after: strawberry.ID | None = None, first: int = PAGE
    ) -> list[Book]:
        return _books(await info.context.nodes.page(int(after or 0), first))

    @strawberry.field
    async def by_author(self, info: Info[Context], author: str, first: int = PAGE) -> list[Book]:
        return _books(await info.context.nodes.find("author", author, first))


@strawberry.type
class Mutation:
    """Writes. A book is there when all of its fields are."""

    @strawberry.mutation
    async def create(self, info: Info[Context], fields: Fields) -> Book:
        return _books([await info.context.nodes.create(fields.given())])[0]

    @strawberry.mutation
    async def update(
        self,
        info: Info[Context],
        id: strawberry.ID,
        fields: Fields,
    ) -> Book | None:
        known = await info.context.nodes.known([int(id)])
        if known:
            await info.context.nodes.update(known[0], fields.given())
        return next(iter(_books(known)), None)


schema = strawberry.Schema(Query, Mutation)
