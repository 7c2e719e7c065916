"""A cache that is down: the leader answers everybody, and no request and no write fails for it."""

import asyncio
import logging

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.core.cache.backends.base import BaseCache
from django.db import connection, router, transaction
from django.test import AsyncClient, Client, override_settings

from sqlatch.django import lag, routers
from sqlatch.django.sessions import SessionStore
from tests.django_routing.project.shop.models import Customer

FOLLOWERS = {"follower1", "follower2"}
AWAY = {"default": {"BACKEND": "tests.django_routing.project.test_cache_away.CacheThatIsAway"}}
LOCAL = "django.core.cache.backends.locmem.LocMemCache"
PASSWORD = "secret"
KEY = "tests.django_routing.project.test_cache_away.by_header"


class CacheThatIsAway(BaseCache):
    """Refuses everything, as one whose server is down."""

    def __init__(self, _location, parameters):
        super().__init__(parameters)

    def _refuse(self, *_arguments, **_options):
        raise ConnectionError("the cache is down")

    get = set = add = delete = touch = has_key = __contains__ = _refuse


class ByCustomer(routers.CachedRouter):
    def get_cache_key(self, model):
        return "customers"


def by_header(request):
    return request.headers.get("X-Customer")


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """Each test is a process in which the cache has never failed."""
    monkeypatch.setattr(lag, "_not_kept_at", 0.0)


@pytest.fixture
def away(caplog):
    with override_settings(CACHES=AWAY), caplog.at_level(logging.ERROR, "sqlatch.django"):
        yield caplog


@pytest.fixture
def root(replicate):
    User.objects.create_superuser("root", password=PASSWORD)
    replicate()


def sign_in(client):
    return client.post("/admin/login/", {"username": "root", "password": PASSWORD})


def who(client):
    return client.get("/whoami").json()["user"]


def test_a_keyed_session_reads_from_the_leader_and_what_it_writes_is_there(away):
    with lag.session("customer:1"):
        before = router.db_for_read(Customer)
        Customer.objects.create(name="Ada")
        with transaction.atomic():
            Customer.objects.create(name="Bob")
        after = router.db_for_read(Customer)

    assert (before, after) == ("default", "default")
    assert Customer.objects.using("default").count() == 2
    assert "all reads go to the leader" in away.text
    assert "the time of a write was not kept" in away.text


def test_an_async_session_too(away):
    async def work():
        async with lag.session("customer:1"):
            await Customer.objects.acreate(name="Ada")
            return await Customer.objects.acount()

    assert asyncio.run(work()) == 1


def test_a_router_with_keys_of_its_own_answers_with_the_leader(away):
    with override_settings(DATABASE_ROUTERS=[f"{__name__}.ByCustomer"]), lag.session():
        before = router.db_for_read(Customer)
        with transaction.atomic():
            Customer.objects.create(name="Ada")

    assert before == "default"
    assert Customer.objects.using("default").count() == 1


def test_once_the_cache_is_back_this_process_reads_from_the_leader_for_the_lag(clock, away):
    with lag.session("customer:1"):
        Customer.objects.create(name="Ada")

    with override_settings(CACHES={"default": {"BACKEND": LOCAL}}):
        with lag.session("customer:1"):
            soon = router.db_for_read(Customer)
        clock.forward(6)
        with lag.session("customer:1"):
            later = router.db_for_read(Customer)

    assert soon == "default"
    assert later in FOLLOWERS


def test_a_keyed_request_is_answered(client, away):
    with override_settings(REPLICATION_LAG_KEY=KEY):
        assert client.get("/whoami", headers={"X-Customer": "1"}).status_code == 200
        assert asyncio.run(aget("/awhoami")) == 200


async def aget(path):
    return (await AsyncClient().get(path, headers={"X-Customer": "1"})).status_code


@pytest.mark.usefixtures("root")
def test_logins_hold_without_their_cache_and_so_do_logouts(client, away):
    assert sign_in(client).status_code == 302
    assert who(client) == "root"
    copied = Client()
    copied.cookies["sessionid"] = client.cookies["sessionid"].value

    assert client.post("/admin/logout/").status_code == 200
    assert who(client) == ""
    assert who(copied) == ""
    assert Session.objects.using("default").count() == 0


@pytest.mark.usefixtures("root")
def test_what_a_logout_could_not_delete_holds_when_the_cache_is_back(client, caplog):
    """The page says so."""
    sign_in(client)
    copied = Client()
    copied.cookies["sessionid"] = client.cookies["sessionid"].value

    with override_settings(CACHES=AWAY):
        assert client.post("/admin/logout/").status_code == 200

    assert "holds until it expires there" in caplog.text
    assert who(client) == ""
    assert who(copied) == "root"


def test_an_async_store_goes_on_without_its_cache(away):
    async def use():
        store = SessionStore()
        await store.aset("basket", [1])
        await store.asave()
        read = await SessionStore(store.session_key).aget("basket")
        exists = await SessionStore().aexists(store.session_key)
        await store.adelete()
        return read, exists, await SessionStore().aexists(store.session_key)

    assert asyncio.run(use()) == ([1], True, False)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; DELETE FROM shop_order",
        "BEGIN; INSERT INTO shop_customer (name) VALUES ('Ada')",
        "SELECT * INTO copied FROM shop_customer",
        "select 1 as a\ninto copied from shop_customer",
        "PRAGMA user_version; DELETE FROM shop_order",
    ],
)
def test_what_begins_like_a_read_and_may_write_counts_as_a_write(sql):
    assert lag._may_write(sql)


@pytest.mark.parametrize(
    "sql", ["SELECT 1;", "SELECT 1 ; \n", "BEGIN", "SELECT intone FROM pinto", "(SELECT 1)"]
)
def test_what_only_reads_does_not(sql):
    assert not lag._may_write(sql)


def test_a_script_that_begins_with_select_is_noticed():
    cache.clear()
    with lag.session():
        with pytest.raises(Exception, match="one statement"):
            connection.cursor().execute("SELECT 1; DELETE FROM shop_order")

        assert router.db_for_read(Customer) == "default"
