"""A client for asyncio behind the calls of one for threads, so that both pass the same tests."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import ExitStack, suppress
from inspect import isasyncgen, iscoroutine
from typing import Any, Self

from sqlatch import aio
from sqlatch.attempts import Attempts


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def close(self) -> None:
        self.run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class _Behind:
    """What awaits, behind calls that return: each runs on the loop, and its result is returned."""

    def __init__(self, awaits: Any, loop: Loop) -> None:
        self._awaits = awaits
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._awaits, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            returned = found(*arguments, **options)
            if isasyncgen(returned):
                return self._each(returned)
            return self._loop.run(returned) if iscoroutine(returned) else returned

        return call

    def _each(self, items: AsyncIterator[Any]) -> Iterator[Any]:
        with suppress(StopAsyncIteration):
            while True:
                yield self._loop.run(_next(items))


async def _next(items: AsyncIterator[Any]) -> Any:
    return await anext(items)


class AwaitingTransport(_Behind):
    """A transport whose `invoke` a test may replace with a function that does not await."""

    def __setattr__(self, name: str, value: Callable[..., Any]) -> None:
        if name.startswith("_"):
            super().__setattr__(name, value)
            return

        async def awaited(*arguments: Any, **options: Any) -> Any:
            return await asyncio.to_thread(value, *arguments, **options)

        setattr(self._awaits, name, awaited)

    def __delattr__(self, name: str) -> None:
        delattr(self._awaits, name)


class Awaiting(_Behind):
    """A client."""

    def __init__(self, client: aio.Client, loop: Loop, ends: ExitStack) -> None:
        super().__init__(client, loop)
        self._ends = ends
        self.transport = AwaitingTransport(client.transport, loop)

    @property
    def attempts(self) -> Attempts:
        return self._awaits.attempts

    @attempts.setter
    def attempts(self, attempts: Attempts) -> None:
        self._awaits.attempts = attempts

    def session(self, **options: Any) -> "Awaiting":
        return Awaiting(self._awaits.session(**options), self._loop, ExitStack())

    def with_attempts(self, attempts: Attempts) -> "Awaiting":
        client = aio.Client(self._awaits.transport, self._awaits.database, attempts=attempts)
        return Awaiting(client, self._loop, ExitStack())

    def close(self) -> None:
        self._loop.run(self._awaits.close())
        self._ends.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def connect(url: str, **options: Any) -> Any:
    """Return such a client; its loop ends when it is closed."""
    client = aio.connect(url, **options)
    loop = Loop()
    ends = ExitStack()
    ends.callback(loop.close)
    return Awaiting(client, loop, ends)
