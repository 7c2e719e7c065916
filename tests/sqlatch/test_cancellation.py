"""A call that is cancelled: nothing of it is read later, and a write says what is not known."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from sqlatch import aio
from tests.sqlatch import socket_server
from tests.sqlatch.socket_server import SocketServer
from tests.sqlatch.test_connections import KEPT
from tests.sqlatch.test_http_failures import REPLY, answer, url_of

INSERT = "INSERT INTO t VALUES (1)"
OTHER = REPLY.replace(b"[[1]]", b"[[2]]")
HALF = answer(200, OTHER[:-20], length=len(OTHER)).replace(b"close", b"keep-alive")


async def cancelled(task: "asyncio.Task[Any]", server: SocketServer) -> asyncio.CancelledError:
    """Cancel a call when the server has its request; return the error that it ends with."""
    while not server.requests:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)  # for what the server has sent to be read
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as ended:
        await task
    return ended.value


@pytest.mark.parametrize("first", [None, HALF], ids=["no answer", "half an answer"])
def test_a_connection_with_an_answer_that_nobody_read_is_not_used_again(
    first: bytes | None,
) -> None:
    async def program(server: SocketServer) -> None:
        async with aio.connect(url_of(server)) as client:
            await cancelled(asyncio.create_task(client.query("SELECT 2")), server)
            assert (await client.query("SELECT 1")).rows == [(1,)]

    with socket_server.running(first, KEPT, keeps=True) as server:
        asyncio.run(program(server))

    assert server.connections == 2


def test_a_write_that_is_cancelled_may_have_been_applied() -> None:
    async def program(server: SocketServer) -> asyncio.CancelledError:
        async with aio.connect(url_of(server)) as client:
            call = client.execute(INSERT, idempotency_key="k")
            return await cancelled(asyncio.create_task(call), server)

    with socket_server.running(None) as server:
        error = asyncio.run(program(server))

    assert vars(error) == {
        "outcome": "unknown",
        "idempotency_key": "k",
        "__notes__": ["a write was cancelled: it may have been applied, under the key k"],
    }
    assert len(server.requests) == 1, "it is not repeated"


def test_a_read_that_is_cancelled_has_no_outcome() -> None:
    async def program(server: SocketServer) -> asyncio.CancelledError:
        async with aio.connect(url_of(server)) as client:
            return await cancelled(asyncio.create_task(client.query("SELECT 1")), server)

    with socket_server.running(None) as server:
        assert vars(asyncio.run(program(server))) == {}


def test_a_write_that_a_timeout_cancels_is_applied_once_under_its_key(http_url: str) -> None:
    async def program() -> None:
        async with aio.connect(http_url) as client:
            await client.execute("CREATE TABLE t (n)")
            with pytest.MonkeyPatch.context() as patch:
                try:
                    async with asyncio.timeout(None) as limit:
                        patch.setattr(client.transport, "invoke", answered_never(client, limit))
                        await client.execute(INSERT)
                except TimeoutError as late:
                    cause: Any = late.__cause__

            again = await client.execute(INSERT, idempotency_key=cause.idempotency_key)

            assert cause.outcome == "unknown"
            assert again.meta["replayed"]
            assert (await client.query("SELECT count(*) FROM t")).value() == 1

    asyncio.run(program())


def answered_never(client: aio.Client, limit: asyncio.Timeout) -> Any:
    """Have the service apply a request, and the time be over before its answer is there."""
    invoke = client.transport.invoke

    async def applied(event: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
        await invoke(event, timeout_s=timeout_s)
        limit.reschedule(0.0)
        await asyncio.sleep(60)
        raise AssertionError("it was to be cancelled")

    return applied


def test_a_load_that_is_cancelled_says_how_many_rows_are_there(http_url: str) -> None:
    rows: list[list[int | str]] = [[number, "x" * 1_000_000] for number in range(6)]

    task: asyncio.Task[Any]

    def end(_rows: int) -> None:
        task.cancel()

    async def program() -> None:
        async with aio.connect(http_url) as client:
            await client.execute("CREATE TABLE t (n, text)")
            nonlocal task
            load = client.load("INSERT INTO t VALUES (?, ?)", rows, progress=end)
            task = asyncio.create_task(load)
            with pytest.raises(asyncio.CancelledError) as ended:
                await task
            assert vars(ended.value)["rows_loaded"] == 2
            assert (await client.query("SELECT count(*) FROM t")).value() in {2, 4}

    asyncio.run(program())


def test_a_client_belongs_to_one_event_loop(http_url: str) -> None:
    client = aio.connect(http_url)

    async def ask() -> object:
        return (await client.health())["status"]

    async def end() -> None:
        with pytest.raises(RuntimeError, match="belongs to another event loop"):
            await client.health()

    with asyncio.Runner() as runner:
        assert runner.run(ask()) == "ok"
        with asyncio.Runner() as other:
            other.run(end())
        runner.run(client.close())
