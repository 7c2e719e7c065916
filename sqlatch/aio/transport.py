"""The interface of a transport that is awaited."""

from collections.abc import Mapping
from typing import Any, Protocol

from sqlatch.transports.transport import Sized


class Transport(Sized, Protocol):
    """A way to one service. An error is the service's own, or a CallFailed."""

    async def invoke(self, event: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
        """The reply to an event as the direct door takes it."""

    async def send(
        self,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        timeout_s: float,
    ) -> tuple[int, bytes]:
        """Status and body of the HTTP door's answer, whatever it is."""

    async def close(self) -> None: ...
