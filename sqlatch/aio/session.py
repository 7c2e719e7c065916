"""A client for asyncio whose reads see what was written and read before them."""

from collections.abc import Mapping
from typing import Any

from sqlatch.aio.client import Client
from sqlatch.session import Newest


class Session(Client):
    """A client that sends the newest position of its replies with every request.

    It is what `sqlatch.Session` is: tasks may share one, and the connections are those of the
    client that it was made of.
    """

    def __init__(self, client: Client, *, at_least: str | None = None) -> None:
        super().__init__(client.transport, client.database, attempts=client.attempts)
        self._newest = Newest(at_least)

    @property
    def position(self) -> str | None:
        """The newest position, None until a reply has one."""
        return self._newest.position

    async def ask(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        reply = await super().ask(self._newest.sent(fields))
        self._newest.take(reply)
        return reply

    async def close(self) -> None:
        """Leave the connections open: they are the client's."""
