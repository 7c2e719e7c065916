"""SQLAlchemy's dialects for asyncio: `create_async_engine` with the URLs of `create_engine`.

DB-API is the same code for both: SQLAlchemy runs it in a greenlet, and its transport, which is all
that waits, awaits there.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any

from sqlalchemy.pool import AsyncAdaptedQueuePool
from sqlalchemy.util.concurrency import await_only

import sqlatch.aio.client
import sqlatch.client
from sqlatch import dbapi
from sqlatch.aio.transport import Transport
from sqlatch.dbapi.errors import failure_of
from sqlatch.errors import SqlatchError
from sqlatch.sqlalchemy import (
    HttpDialect,
    HttpsDialect,
    LambdaDialect,
    ReplicaHttpDialect,
    ReplicaHttpsDialect,
)


class Awaited:
    """A transport in a greenlet: what the one below awaits is awaited there."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.request_bytes_max = transport.request_bytes_max
        self.size_bytes = transport.size_bytes
        self._ending: asyncio.Task[None] | None = None

    def invoke(self, event: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
        reply: dict[str, Any] = await_only(self._transport.invoke(event, timeout_s=timeout_s))
        return reply

    def send(self, *request: Any, timeout_s: float) -> tuple[int, bytes]:
        answer: tuple[int, bytes] = await_only(self._transport.send(*request, timeout_s=timeout_s))
        return answer

    def close(self) -> None:
        await_only(self._transport.close())

    def terminate(self) -> None:
        """Close the connections outside a greenlet, where nothing can be awaited."""
        self._ending = asyncio.get_running_loop().create_task(self._transport.close())


class Cursor(dbapi.Cursor):
    """A cursor, with what SQLAlchemy asks those of asyncio for: nothing is open at the service."""

    server_side = False

    async def _async_soft_close(self) -> None: ...


class Connection(dbapi.Connection):
    """A DB-API connection of an async engine."""

    def cursor(self) -> Cursor:
        self._check_open()
        return Cursor(self)

    def terminate(self) -> None:
        """Close it outside a greenlet, as the pool does with one that was cancelled or is lost."""
        client, self._client = self._client, None
        if client is not None and isinstance(client.transport, Awaited):
            client.transport.terminate()


def connect(url: str, *, autocommit: bool = False, **options: Any) -> Connection:
    """A connection, used in a greenlet; `options` as for `sqlatch.connect`."""
    try:
        below = sqlatch.aio.client.connect(url, **options)
    except SqlatchError as error:
        raise failure_of(error) from error
    attempts = replace(below.attempts, sleep=lambda pause_s: await_only(asyncio.sleep(pause_s)))
    client = sqlatch.client.Client(Awaited(below.transport), below.database, attempts=attempts)
    return Connection(client, autocommit=autocommit)


class _Async:
    """The difference that asyncio makes: the pool, the connections, and their end."""

    is_async = True
    has_terminate = True

    @classmethod
    def import_dbapi(cls) -> Any:
        module = ModuleType("sqlatch.dbapi, in a greenlet")
        vars(module).update(vars(dbapi), connect=connect)
        return module

    @classmethod
    def get_pool_class(cls, url: Any) -> Any:
        return AsyncAdaptedQueuePool

    def do_terminate(self, dbapi_connection: Any) -> None:
        dbapi_connection.terminate()


class AsyncLambdaDialect(_Async, LambdaDialect):
    """By direct invoke."""

    supports_statement_cache = True


class AsyncHttpsDialect(_Async, HttpsDialect):
    """By HTTP API or Function URL."""

    supports_statement_cache = True


class AsyncHttpDialect(_Async, HttpDialect):
    """By the local server."""

    supports_statement_cache = True


class AsyncReplicaHttpsDialect(_Async, ReplicaHttpsDialect):
    """By a copy in this process, and the leader behind an HTTP API or a Function URL."""

    supports_statement_cache = True


class AsyncReplicaHttpDialect(_Async, ReplicaHttpDialect):
    """By a copy in this process, and a leader on this machine."""

    supports_statement_cache = True
