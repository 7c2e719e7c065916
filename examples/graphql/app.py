"""The API as an ASGI application: `uvicorn examples.graphql.app:app`, with SQLATCH_URL set."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from strawberry.fastapi import GraphQLRouter

from examples.graphql.nodes import NODES, Nodes
from examples.graphql.schema import Context, schema
from sqlatch import aio, uid
from sqlatch.client import connect


@asynccontextmanager
async def _nodes(application: FastAPI) -> AsyncIterator[None]:
    """Connect to the service that SQLATCH_URL names, `https://HOST` or `lambda://FUNCTION`."""
    service = os.environ["SQLATCH_URL"].rstrip("/")
    with connect(f"{service}/{NODES}") as client:
        nodes = Nodes(lambda name: aio.connect(f"{service}/{name}"), uid.in_database(client))
        await nodes.prepare()
        application.state.nodes = nodes
        yield
        await nodes.close()


async def _context(request: Request) -> Context:
    return Context(request.app.state.nodes)


app = FastAPI(lifespan=_nodes)
app.include_router(GraphQLRouter(schema, context_getter=_context), prefix="/graphql")
