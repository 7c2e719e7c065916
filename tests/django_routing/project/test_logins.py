"""Logins where the followers lag and where the cache is away."""

import asyncio
import subprocess
import sys

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import AsyncClient, Client, override_settings

from sqlatch.django import lag
from sqlatch.django.sessions import SessionStore

NO_CACHE = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
PASSWORD = "secret"


@pytest.fixture
def ada(replicate):
    user = User.objects.create_user("ada", password=PASSWORD)
    User.objects.create_superuser("root", password=PASSWORD)
    replicate()
    return user


def sign_in(client):
    return client.post("/admin/login/", {"username": "root", "password": PASSWORD})


def who(client):
    return client.get("/whoami").json()["user"]


@pytest.mark.usefixtures("ada")
def test_a_login_holds_before_it_is_replicated(client, clock):
    assert sign_in(client).status_code == 302
    clock.forward(60)

    assert who(client) == "root"


@pytest.mark.usefixtures("ada")
def test_a_login_holds_when_the_cache_lost_it(client, clock):
    sign_in(client)
    cache.clear()
    clock.forward(60)

    assert who(client) == "root"


@pytest.mark.usefixtures("ada")
def test_a_login_holds_without_a_cache(client, clock):
    with override_settings(CACHES=NO_CACHE):
        sign_in(client)
        clock.forward(60)

        assert who(client) == "root"


@pytest.mark.usefixtures("ada")
def test_a_logout_holds_when_a_follower_still_has_the_session(client, replicate, clock):
    sign_in(client)
    copied = Client()
    copied.cookies["sessionid"] = client.cookies["sessionid"].value
    replicate()

    client.post("/admin/logout/")
    cache.clear()
    clock.forward(60)

    assert who(copied) == ""


@pytest.mark.usefixtures("ada")
def test_a_logout_before_the_session_is_replicated_removes_it_from_the_leader(client, clock):
    sign_in(client)
    clock.forward(60)
    client.cookies.pop("sqlatch_written")

    client.post("/admin/logout/")

    assert Session.objects.using("default").count() == 0


def test_the_row_is_at_the_leader_before_save_returns():
    with lag.session():
        store = SessionStore()
        store["basket"] = [1, 2]
        store.save()

    assert Session.objects.using("default").filter(session_key=store.session_key).exists()


def test_a_write_that_failed_is_not_in_the_cache_either():
    store = SessionStore()
    store["basket"] = [1]
    store.save()
    Session.objects.using("default").all().delete()

    store["basket"] = [1, 2]
    with pytest.raises(UpdateError):
        store.save()
    cached = SessionStore(store.session_key)._cache.get(store.cache_key)

    assert cached == {"basket": [1]}


def test_saving_a_session_pins_nobody():
    with lag.session() as session:
        store = SessionStore()
        store["basket"] = [1]
        store.save()
        store.delete()

        assert not session.wrote


@pytest.mark.usefixtures("ada")
def test_a_login_holds_in_async_views(clock):
    async def visit():
        client = AsyncClient()
        await client.alogin(username="ada", password=PASSWORD)
        await cache.aclear()
        clock.forward(60)
        answer = await client.get("/awhoami")
        await client.alogout()
        return answer.json()["user"]

    assert asyncio.run(visit()) == "ada"
    assert Session.objects.using("default").count() == 0


def test_an_async_store_looks_its_row_up_at_the_leader():
    async def use():
        async with lag.session() as session:
            store = SessionStore()
            await store.aset("basket", [1])
            await store.asave()
            await cache.aclear()
            saved = await Session.objects.using("default").acount()
            exists = await SessionStore(store.session_key).aexists(store.session_key)
            await store.adelete()
            return saved, exists, await Session.objects.using("default").acount(), session.wrote

    assert asyncio.run(use()) == (1, True, 0, False)


def test_a_key_that_is_taken_is_seen_before_it_is_replicated():
    with lag.session():
        store = SessionStore()
        store.save()
        cache.clear()

        assert SessionStore().exists(store.session_key)


def test_a_process_that_dies_after_save_has_lost_nothing():
    """With the row written in a thread, as django-distributed does it, there is no row."""
    script = """
import os, django
django.setup()
from sqlatch.django.sessions import SessionStore
store = SessionStore()
store["user"] = 1
store.save()
print(store.session_key, flush=True)
os._exit(9)
"""

    died = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=False
    )

    assert died.returncode == 9
    assert SessionStore(died.stdout.strip())["user"] == 1
