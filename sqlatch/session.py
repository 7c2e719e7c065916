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
        self._newest = Newest(at_least)

    @property
    def position(self) -> str | None:
        """The newest position, None until a reply has one."""
        return self._newest.position

    def ask(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        reply = super().ask(self._newest.sent(fields))
        self._newest.take(reply)
        return reply

    def close(self) -> None:
        """Leave the connections open: they are the client's."""


class Newest:
    """The newest position that is known. Threads may share it."""

    def __init__(self, position: str | None) -> None:
        self.position = position
        self._lock = Lock()

    def sent(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the fields of a request, with the position that its state must reach."""
        at_least = _later(self.position, fields.get("at_least"))
        return fields if at_least is None else {**fields, "at_least": at_least}

    def take(self, reply: Mapping[str, Any]) -> None:
        """Keep the position of a reply, if it is newer."""
        meta = reply.get("meta")
        if isinstance(meta, Mapping):
            with self._lock:
                self.position = _later(self.position, meta.get("position"))


def _later(one: str | None, other: str | None) -> str | None:
    return max(filter(None, (one, other)), default=None)
