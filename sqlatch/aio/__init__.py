"""The client for asyncio: the same calls, results and errors as `sqlatch`, to be awaited."""

from sqlatch.aio.client import Client, connect
from sqlatch.aio.session import Session

__all__ = ["Client", "Session", "connect"]
