"""A client whose reads see what was written and read before them."""

from collections.abc import Mapping
from threading import Lock
from typing import Any

from sqlatch.client import Client


class Session(Client):
    """A client that sends the newest position of its replies with every request.

    So each sees at least the state of the one before, whatever instance answers. `position` may be
    given to another session, in another process too; it is None until a reply has one, which those
    of databases in files never have. Threads may share a session. The connections are those of the
    client that it was made of, and stay open behind it.
    """

    def __init__(self, client: Client, *, at_least: str | None = None) -> None:
        super().__init__(client.transport, client.database, attempts=client.attempts)
        self.position = at_least
        self._lock = Lock()

    def ask(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        at_least = _later(self.position, fields.get("at_least"))
        reply = super().ask(fields if at_least is None else {**fields, "at_least": at_least})
        meta = reply.get("meta")
        if isinstance(meta, Mapping):
            with self._lock:
                self.position = _later(self.position, meta.get("position"))
        return reply

    def close(self) -> None:
        """Leave the connections open: they are the client's."""


def _later(one: str | None, other: str | None) -> str | None:
    return max(filter(None, (one, other)), default=None)
