"""A replica's copy for asyncio: what may wait, for the disk or the leader, does so in a thread."""

import asyncio
from collections.abc import Mapping
from typing import Any

from sqlatch.transports import transport


class InThreads:
    """A transport whose calls are made in the threads of the event loop."""

    def __init__(self, below: transport.Transport) -> None:
        self._below = below
        self.request_bytes_max = below.request_bytes_max
        self.size_bytes = below.size_bytes

    async def invoke(self, event: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
        return await asyncio.to_thread(self._below.invoke, event, timeout_s=timeout_s)

    async def send(
        self,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        timeout_s: float,
    ) -> tuple[int, bytes]:
        send = self._below.send
        return await asyncio.to_thread(send, method, path, body, headers, timeout_s=timeout_s)

    async def close(self) -> None:
        await asyncio.to_thread(self._below.close)
