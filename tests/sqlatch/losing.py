"""Answers that are lost on their way: the service did what was asked, and nobody hears of it."""

from dataclasses import replace
from typing import Any

from sqlatch.dbapi import Connection
from sqlatch.failures import AnswerCutOff
from sqlatch.transports.transport import Transport


class Losing:
    """A transport whose answers are lost on their way, as often as `lost` says; counts them."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.lost = 0
        self.sent = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)

    def invoke(self, event: dict[str, object], *, timeout_s: float) -> dict[str, object]:
        self.sent += 1
        reply = self._transport.invoke(event, timeout_s=timeout_s)
        if self.lost:
            self.lost -= 1
            raise AnswerCutOff("the answer was lost")
        return reply


def losing(connection: Connection) -> Any:
    """Have the connection go by way of such a transport, and repeat at once."""
    client = connection._client
    assert client is not None
    transport: Any = Losing(client.transport)
    client.transport = transport
    client.attempts = replace(client.attempts, chance=lambda: 0.0, now=lambda: 0.0)
    return transport
