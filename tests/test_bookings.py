"""The example on FastAPI, served by uvicorn, under load: each booking once, no answer mixed up."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import aiohttp
import pytest

from tests.sqlatch.conftest import composed as composed
from tests.sqlatch.conftest import http_url as http_url
from tests.writers import ROOT

BOOKINGS = 40
WAITS_S = 60


@pytest.fixture
def served(http_url: str) -> Iterator[str]:
    """The address at which the example is served."""
    command = [sys.executable, "-m", "uvicorn", "--port", "0", "examples.bookings:app"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | {"SQLATCH_URL": http_url},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "running on" in line:
                break
        else:
            raise AssertionError("".join(lines))
        yield line.split()[4]
        process.terminate()


def test_each_booking_is_written_once_under_load(served: str) -> None:
    async def put(session: aiohttp.ClientSession, number: int, seat: int) -> Any:
        body = {"seat": f"{seat:03}", "passenger": f"p{number}"}
        async with session.put(f"{served}/bookings/{number}", json=body) as response:
            return response.status, await response.json()

    async def book(session: aiohttp.ClientSession, number: int) -> Any:
        """Book as one who leaves before the answer is there, and then comes again."""
        if number % 3 == 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await put(session, number, number)
        return await put(session, number, number)

    async def program() -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(WAITS_S)) as session:
            answers = await asyncio.gather(*(book(session, number) for number in range(BOOKINGS)))
            assert {status for status, _body in answers} == {200}
            assert await put(session, 7, 7) == (200, {"booked": True, "replayed": True})
            assert await put(session, 1000, 7) == (409, {"detail": "seat 007 is taken"})
            lists = await asyncio.gather(*(listed(session) for _request in range(20)))
            wanted = [{"seat": f"{one:03}", "passenger": f"p{one}"} for one in range(BOOKINGS)]
            assert lists == [wanted] * 20

    async def listed(session: aiohttp.ClientSession) -> Any:
        async with session.get(f"{served}/bookings") as response:
            return await response.json()

    asyncio.run(program())
