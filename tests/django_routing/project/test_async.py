"""Async views behind an async chain of middleware."""

import asyncio

import pytest
from django.test import AsyncClient, override_settings

FOLLOWERS = {"follower1", "follower2"}


async def read_after_write(path, clock):
    client = AsyncClient()
    wrote = (await client.post(path, {"name": "Ada"})).json()
    within = (await client.get("/ashow")).json()
    clock.forward(6)
    after = (await client.get("/ashow")).json()
    return wrote, within, after


@pytest.mark.parametrize("path", ["/aadd", "/add"])
def test_an_async_session_reads_what_it_wrote(path, clock):
    wrote, within, after = asyncio.run(read_after_write(path, clock))

    assert wrote == within == {"db": "default", "names": ["Ada"]}
    assert after["db"] in FOLLOWERS


def test_requests_that_run_together_are_apart():
    async def visit(number):
        client = AsyncClient()
        if number % 2:
            await client.post("/aadd", {"name": str(number)})
        return (await client.get("/ashow")).json()["db"]

    async def together():
        return await asyncio.gather(*[visit(number) for number in range(10)])

    databases = asyncio.run(together())

    assert set(databases[1::2]) == {"default"}
    assert set(databases[0::2]) <= FOLLOWERS


def by_header(request):
    return request.headers.get("X-Client")


@override_settings(REPLICATION_LAG_KEY="tests.django_routing.project.test_async.by_header")
def test_a_client_without_cookies_is_known_by_its_key():
    async def visit():
        await AsyncClient().post("/aadd", {"name": "Ada"}, headers={"X-Client": "7"})
        same = await AsyncClient().get("/ashow", headers={"X-Client": "7"})
        other = await AsyncClient().get("/ashow", headers={"X-Client": "8"})
        return same.json()["db"], other.json()["db"]

    same, other = asyncio.run(visit())

    assert same == "default"
    assert other in FOLLOWERS
