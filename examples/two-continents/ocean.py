"""The ocean: a proxy that hands bytes on later, and counts the requests that go across."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

READ_BYTES = 64 * 1024


class Ocean:
    """A port here that leads to one far away; each way takes `one_way_s`.

    A connection is open at once: a site keeps its own, so that opening one is no part of a page.
    """

    def __init__(self, far_port: int, one_way_s: float) -> None:
        self.far_port = far_port
        self.one_way_s = one_way_s
        self.requests = 0
        self.port = 0
        ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._run(ready.set)), daemon=True).start()
        ready.wait()

    async def _run(self, ready: Callable[[], None]) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready()
        await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.far_port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(
            self._across(reader, far_writer, counted=True),
            self._across(far_reader, writer, counted=False),
        )

    async def _across(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool
    ) -> None:
        loop = asyncio.get_running_loop()
        last = loop.create_future()
        last.set_result(None)
        while content := await _read(reader):
            self.requests += counted and content.startswith((b"POST ", b"GET "))
            last = asyncio.ensure_future(self._late(content, writer, last))
        await last
        writer.close()

    async def _late(
        self, content: bytes, writer: asyncio.StreamWriter, before: Awaitable[None]
    ) -> None:
        """Hand bytes on when their time has come, behind those that were sent before them."""
        await asyncio.sleep(self.one_way_s)
        await before
        writer.write(content)


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(READ_BYTES)
    except ConnectionError:
        return b""
