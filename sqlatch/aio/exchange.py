"""Requests over aiohttp's connections: an answer whole and in time, or an error that is ours."""

import asyncio
import io
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace

from sqlatch.failures import AnswerCutOff, BadUrl, CallTimedOut, Unreachable
from sqlatch.transports import door

try:
    import aiohttp
    from yarl import URL
except ImportError as error:
    raise ImportError("sqlatch.aio needs aiohttp: pip install 'sqlatch[aio]'") from error

CONNECTIONS_MAX = 100
"""At once; a call waits for one as long as its attempt may take."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; the names of its headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Exchange:
    """The connections to one place, kept between calls. They belong to one event loop.

    A connection whose answer was not read to its end, for whatever reason, is closed.
    """

    def __init__(
        self, place: str, *, trusted: Callable[[], ssl.SSLContext] = ssl.create_default_context
    ) -> None:
        self._place = place
        self._trusted = trusted
        self._session: aiohttp.ClientSession | None = None

    async def ask(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str], *, timeout_s: float
    ) -> Answer:
        """Send a request and return its answer, whatever its status."""
        timeout = aiohttp.ClientTimeout(
            total=timeout_s, sock_connect=min(door.CONNECT_S_MAX, timeout_s)
        )
        progress = _Progress()
        async with (
            self._translated(progress),
            self._connections().request(
                method,
                URL(url, encoded=True),
                data=io.BytesIO(body) if body else None,  # bytes would be written in one go
                headers=headers,
                allow_redirects=False,
                timeout=timeout,
                trace_request_ctx=progress,
            ) as response,
        ):
            parts = []
            size_bytes = 0
            async for part in response.content.iter_any():
                parts.append(part)
                size_bytes += len(part)
                door.check_length(size_bytes)
            found = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, found, b"".join(parts))

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _connections(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX, ssl=self._trusted()),
                cookie_jar=aiohttp.DummyCookieJar(),
                trace_configs=[_traced()],
            )
            self._loop = asyncio.get_running_loop()
        if self._loop is not asyncio.get_running_loop():
            raise RuntimeError("this client belongs to another event loop: connect in this one")
        return self._session

    @asynccontextmanager
    async def _translated(self, progress: "_Progress") -> AsyncIterator[None]:
        """aiohttp's errors as ours. A connection that was never there has errors of its own."""
        try:
            yield
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Unreachable(f"no connection to {self._place}: {error}") from error
        except aiohttp.InvalidURL as error:
            raise BadUrl(f"not a URL: {error}") from error
        except TimeoutError as error:
            if not progress.is_connected:
                raise Unreachable(f"no connection to {self._place} in time") from error
            message = f"the answer from {self._place} was not complete in time"
            raise CallTimedOut(message) from error
        except aiohttp.ClientError as error:
            raise AnswerCutOff(f"the answer from {self._place} was cut off: {error}") from error


@dataclass(slots=True)
class _Progress:
    """The state of a request: until there is a connection, nothing of it was sent."""

    is_connected: bool = False


def _traced() -> aiohttp.TraceConfig:
    """Have each request note that it has a connection."""

    async def note(_session: object, context: SimpleNamespace, _event: object) -> None:
        context.trace_request_ctx.is_connected = True

    config = aiohttp.TraceConfig()
    config.on_connection_create_end.append(note)
    config.on_connection_reuseconn.append(note)
    return config
