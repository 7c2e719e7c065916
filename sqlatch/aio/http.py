"""The way over HTTP for asyncio: signed by IAM or with a token."""

import asyncio
from collections.abc import Mapping
from typing import Any

from sqlatch.aio.exchange import Exchange
from sqlatch.transports import door
from sqlatch.transports.door import Sign
from sqlatch.transports.transport import check_size
from sqlatch.url import HttpTarget


class HttpTransport:
    """The HTTP door of one service."""

    request_bytes_max = door.REQUEST_BYTES_MAX

    def __init__(
        self, target: HttpTarget, *, token: str | None = None, sign: Sign | None = None
    ) -> None:
        self._origin = target.origin + target.prefix
        self._token = token
        self._sign = sign
        self._exchange = Exchange(self._origin)

    async def invoke(self, event: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
        request = door.request_of(event)
        check_size(self, request.body)
        answer = await self.send(
            request.method, request.path, request.body, request.headers, timeout_s=timeout_s
        )
        return door.reply_in(event, *answer)

    async def send(
        self,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        timeout_s: float,
    ) -> tuple[int, bytes]:
        url = self._origin + path
        sent = door.headers_of(headers, self._token)
        if self._sign is not None:
            # In a thread: it may have to ask for credentials first.
            sent = await asyncio.to_thread(self._sign, method, url, sent, body)
        answer = await self._exchange.ask(method, url, body, sent, timeout_s=timeout_s)
        return answer.status, answer.body

    def size_bytes(self, encoded: bytes) -> int:
        return door.size_bytes(encoded)

    async def close(self) -> None:
        await self._exchange.close()
