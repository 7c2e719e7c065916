"""The promises and faults of django-distributed: its names and settings, a test for each fault."""

import asyncio
import threading
import warnings
from importlib import import_module

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connections, router, transaction
from django.test import AsyncClient, Client, override_settings

from sqlatch.django import lag
from sqlatch.django.middleware import session_key
from sqlatch.django.routers import CachedRouter, DistributedRouter, SessionCachedRouter
from sqlatch.django.sessions import SessionStore
from tests.django_routing.project.shop.models import Customer, Order

FOLLOWERS = {"follower1", "follower2"}


class ByModel(CachedRouter):
    """As a project of django-distributed has it: one key for each model."""

    def get_cache_key(self, model):
        return f"shop.{model.__name__}"


class Never(DistributedRouter):
    def is_recently_updated(self, model):
        return False


def test_the_documented_setting_names_the_followers():
    with lag.session():
        assert SessionCachedRouter().db_for_read(Customer) in FOLLOWERS


def test_the_setting_that_it_really_reads_names_the_followers_too():
    with override_settings(REPLICA_DATABASES=["follower2"]):
        del settings.FOLLOWER_DATABASES
        with lag.session():
            assert SessionCachedRouter().db_for_read(Customer) == "follower2"


def test_a_read_outside_the_session_is_not_stale(replicate):
    """A task started by the request finds what the request wrote."""
    Client().post("/add", {"name": "Ada"})

    found = []
    thread = threading.Thread(
        target=lambda: (
            found.extend(Customer.objects.values_list("name", flat=True)),
            connections.close_all(),
        )
    )
    thread.start()
    thread.join()

    assert found == ["Ada"]


def test_a_write_of_one_model_is_seen_through_another(client):
    """Its mark is for each model: what a cascade deletes was still read from the follower."""
    customer = Customer.objects.create(name="Ada")
    Order.objects.create(customer=customer)

    with lag.session():
        Customer.objects.filter(id=customer.id).delete()

        assert not Order.objects.exists()
        assert Order.objects.all().db == "default"


def test_a_write_with_using_is_seen():
    """Its mark is set in the router, which Django does not ask when the database is given."""
    with lag.session():
        Customer.objects.using("default").create(name="Ada")

        assert Customer.objects.get().name == "Ada"


def test_a_transaction_longer_than_the_lag_is_seen(clock):
    """Its mark is set when the write is routed, and had run out at the commit."""
    with lag.session("long"):
        with transaction.atomic():
            Customer.objects.create(name="Ada")
            clock.forward(60)

        assert Customer.objects.get().name == "Ada"


def test_a_session_that_ends_after_its_transaction_counts_from_its_end(clock):
    with lag.session("long"), transaction.atomic():
        Customer.objects.create(name="Ada")
        clock.forward(60)

    with lag.session("long"):
        assert Customer.objects.get().name == "Ada"


@pytest.mark.parametrize("atomic", [False, True])
def test_a_key_of_ones_own_counts_from_the_commit(clock, atomic):
    with override_settings(DATABASE_ROUTERS=[f"{__name__}.ByModel"]):
        router_of_model = ByModel()
        with transaction.atomic() if atomic else lag.unnoticed():
            router_of_model.db_for_write(Customer)
            clock.forward(60 if atomic else 0)

        assert router_of_model.db_for_read(Customer) == "default"
        assert router_of_model.db_for_read(Order) in FOLLOWERS
        clock.forward(6)
        assert router_of_model.db_for_read(Customer) in FOLLOWERS


def test_inside_atomic_what_was_written_is_read(replicate):
    """It sent reads inside a transaction to a follower."""
    replicate()

    with lag.session(), transaction.atomic():
        Customer.objects.create(name="Ada")

        assert Customer.objects.get().name == "Ada"
        assert Never().db_for_read(Customer) == "default"


def test_a_session_write_outlives_its_thread():
    """It wrote the row in a thread of its own, which dies with the process."""
    before = threading.active_count()
    store = SessionStore()
    store["user"] = 1
    store.save()

    assert threading.active_count() == before
    assert Session.objects.using("default").filter(session_key=store.session_key).exists()


def test_a_logout_is_not_undone_by_a_late_write():
    """Its thread could write the row again after the logout had deleted it."""
    store = SessionStore()
    store["user"] = 1
    store.save()
    store.flush()

    assert not Session.objects.using("default").exists()


def test_a_login_is_seen_after_its_key_has_changed():
    """Its mark was under the session's old key. Ours with session_key is under both."""
    client = Client()
    with override_settings(
        REPLICATION_LAG_KEY=session_key,
        MIDDLEWARE=[*settings.MIDDLEWARE[1:2], settings.MIDDLEWARE[0], *settings.MIDDLEWARE[2:]],
    ):
        client.post("/sign_in")
        client.cookies.pop("sqlatch_written")

        assert client.get("/show").json()["db"] == "default"
        assert asyncio.run(aread_after_login()) == "default"


async def aread_after_login():
    client = AsyncClient()
    await client.post("/sign_in")
    client.cookies.pop("sqlatch_written")
    return (await client.get("/ashow")).json()["db"]


def test_a_relation_is_asked_for_without_an_error(replicate):
    """In its first versions allow_relation took no arguments."""
    customer = Customer.objects.create(name="Ada")

    assert router.allow_relation(customer, Order(customer=customer)) is True


def test_no_time_without_a_zone_is_used():
    """datetime.utcnow() is deprecated, which is an error where warnings are."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ByModel().db_for_write(Customer)

        assert ByModel().is_recently_updated(Customer)


@pytest.mark.parametrize(
    "name",
    [
        "routers.DistributedRouter.db_for_read",
        "routers.DistributedRouter.db_for_write",
        "routers.DistributedRouter.is_recently_updated",
        "routers.DistributedRouter.follower_db",
        "routers.DistributedRouter.leader_db",
        "routers.DistributedRouter.allow_relation",
        "routers.CachedRouter.update_cache",
        "routers.CachedRouter.get_cache_key",
        "routers.SessionCachedRouter.cache_key_prefix",
        "routers.KEY_PREFIX",
        "sessions.SessionStore",
    ],
)
def test_each_of_its_names_is_there(name):
    module, *attributes = name.split(".")
    found = import_module(f"sqlatch.django.{module}")
    for attribute in attributes:
        found = getattr(found, attribute)

    assert found is not None


def test_a_rule_of_ones_own_needs_no_session():
    assert Never().db_for_read(Customer) in FOLLOWERS
    assert Never().follower_db in FOLLOWERS
    assert Never().leader_db == "default"
