"""The answers of the routers, and what Django does by them."""

import threading

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import OperationalError, connection, connections, router, transaction
from django.test import override_settings

from sqlatch.django import lag
from sqlatch.django.replication import replication
from tests.django_routing.project.shop.models import Customer, Order, Tag

FOLLOWERS = {"follower1", "follower2"}


def names(alias):
    return list(Customer.objects.using(alias).order_by("id").values_list("name", flat=True))


@pytest.mark.parametrize(
    "write",
    [
        lambda ada: Customer.objects.create(name="Bob"),
        lambda ada: Customer(name="Bob").save(using="default"),
        lambda ada: Customer.objects.using("default").create(name="Bob"),
        lambda ada: Customer.objects.bulk_create([Customer(name="B"), Customer(name="C")]),
        lambda ada: Customer.objects.bulk_update([ada], ["name"]),
        lambda ada: Customer.objects.filter(id=ada.id).update(name="Eve"),
        lambda ada: Customer.objects.using("default").filter(id=ada.id).delete(),
        lambda ada: Customer.objects.get_or_create(name="new"),
        lambda ada: Customer.objects.update_or_create(id=ada.id, defaults={"name": "Eve"}),
        lambda ada: ada.delete(),
        lambda ada: ada.tags.set([Tag.objects.using("default").get()]),
        lambda ada: ada.orders.create(total=3),
        lambda ada: connection.cursor().execute("UPDATE shop_customer SET name = 'Eve'"),
        lambda ada: connection.cursor().execute("/* note */ DELETE FROM shop_order"),
        lambda ada: connection.cursor().executemany("DELETE FROM shop_order WHERE id = %s", [[1]]),
        lambda ada: lag.written(),
    ],
)
def test_every_kind_of_write_is_noticed(write):
    ada = Customer.objects.create(name="Ada")
    Tag.objects.create(name="new")

    with lag.session():
        before = router.db_for_read(Order)
        write(ada)
        after = router.db_for_read(Order)

    assert before in FOLLOWERS
    assert after == "default"


@pytest.mark.parametrize(
    "read",
    [
        lambda: list(Customer.objects.using("default").all()),
        lambda: Customer.objects.using("default").count(),
        lambda: Customer.objects.using("default").get_or_create(name="Ada"),
        lambda: connection.cursor().execute("SELECT 1"),
        lambda: connection.cursor().execute("  \n select 1"),
    ],
)
def test_a_read_from_the_leader_is_not_taken_for_a_write(read):
    Customer.objects.create(name="Ada")

    with lag.session():
        read()

        assert router.db_for_read(Customer) in FOLLOWERS


def test_a_write_that_failed_counts_as_one():
    with lag.session():
        with pytest.raises(OperationalError, match="no such table"):
            connection.cursor().execute("DELETE FROM missing")

        assert router.db_for_read(Customer) == "default"


def test_using_is_respected(replicate):
    Customer.objects.create(name="Ada")
    replicate("follower1")
    Customer.objects.create(name="Bob")
    Customer.objects.using("warehouse").create(name="Wim")

    with lag.session():
        seen = {alias: names(alias) for alias in ("default", "follower1", "warehouse")}

    assert seen == {"default": ["Ada", "Bob"], "follower1": ["Ada"], "warehouse": ["Wim"]}


def test_inside_atomic_all_that_is_read_comes_from_the_leader(replicate):
    ada = Customer.objects.create(name="Ada")
    replicate()
    Customer.objects.filter(id=ada.id).update(name="Eve")

    with lag.session(), transaction.atomic():
        old = Customer.objects.using("follower1").get()
        names_read = [customer.name for customer in Customer.objects.all()]
        orders_db = router.db_for_read(Order, instance=old)

    assert names_read == ["Eve"]
    assert orders_db == "default"


def test_what_an_object_of_the_leader_refers_to_is_read_there():
    with lag.session():
        order = Order(customer=Customer.objects.create(name="Ada"))
        order.save()

    with lag.session():
        read = Order.objects.using("default").get(id=order.id)

        assert read.customer.name == "Ada"


def test_objects_of_one_follower_are_followed_at_that_follower(replicate):
    Order.objects.create(customer=Customer.objects.create(name="Ada"))
    replicate()

    for alias in FOLLOWERS:
        with lag.session():
            read = Order.objects.using(alias).get()

            assert read.customer._state.db == alias


def test_an_object_of_a_follower_is_saved_at_the_leader(replicate):
    Customer.objects.create(name="Ada")
    replicate()

    with lag.session():
        ada = Customer.objects.get()
        assert ada._state.db in FOLLOWERS
        ada.name = "Eve"
        ada.save()
        Order.objects.create(customer=ada)

    assert names("default") == ["Eve"]
    assert Order.objects.using("default").get().customer.name == "Eve"


def test_a_transaction_counts_from_its_end(clock):
    with lag.session():
        with transaction.atomic():
            Customer.objects.create(name="Ada")
            clock.forward(60)
        first = router.db_for_read(Customer)
        clock.forward(4)
        within = router.db_for_read(Customer)
        clock.forward(2)
        after = router.db_for_read(Customer)

    assert (first, within) == ("default", "default")
    assert after in FOLLOWERS


def test_a_transaction_in_another_thread_of_the_session_pins_it_while_it_is_open(clock):
    wrote, go_on = threading.Event(), threading.Event()

    def write(context):
        lag._current.set(context)
        with transaction.atomic():
            Customer.objects.create(name="Ada")
            wrote.set()
            go_on.wait(30)
        connections.close_all()

    with lag.session() as session:
        thread = threading.Thread(target=write, args=[session])
        thread.start()
        wrote.wait(30)
        clock.forward(60)
        during = router.db_for_read(Customer)
        go_on.set()
        thread.join()
        after = router.db_for_read(Customer)

    assert (during, after) == ("default", "default")


def test_migrations_go_to_the_leader_alone():
    assert not router.allow_migrate("follower1", "shop")
    assert not router.allow_migrate("follower2", "shop")
    assert router.allow_migrate("default", "shop")
    assert router.allow_migrate("warehouse", "shop")


def test_migrate_on_a_follower_creates_no_table(tmp_path):
    databases = {"NAME": str(tmp_path / "empty.db")}
    settings = connections["follower1"].settings_dict
    connections["follower1"].close()
    before = settings["NAME"]
    settings["NAME"] = databases["NAME"]
    try:
        call_command("migrate", run_syncdb=True, verbosity=0, database="follower1")
        tables = set(connections["follower1"].introspection.table_names())
    finally:
        connections["follower1"].close()
        settings["NAME"] = before

    assert tables <= {"django_migrations"}


def test_relations_are_allowed_among_leader_and_followers_alone(replicate):
    Customer.objects.create(name="Ada")
    replicate()
    Customer.objects.using("warehouse").create(name="Wim")
    leader, follower, other = [
        Customer.objects.using(alias).get() for alias in ("default", "follower2", "warehouse")
    ]

    assert router.allow_relation(leader, follower)
    assert router.allow_relation(follower, follower)
    assert not router.allow_relation(leader, other)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"LEADER_DATABASE": "nobody"}, "LEADER_DATABASE: 'nobody' is not in DATABASES"),
        ({"FOLLOWER_DATABASES": ["x"]}, "FOLLOWER_DATABASES: 'x' is not in DATABASES"),
        ({"FOLLOWER_DATABASES": "follower1"}, "FOLLOWER_DATABASES: a list of names"),
        ({"REPLICATION_LAG": -1}, "REPLICATION_LAG: seconds or a timedelta"),
        ({"REPLICATION_LAG": "5"}, "REPLICATION_LAG: seconds or a timedelta"),
        ({"FOLLOWER_CHOICE": "best"}, "FOLLOWER_CHOICE: one of"),
    ],
)
def test_a_wrong_setting_is_named(setting, message):
    with override_settings(**setting), pytest.raises(ImproperlyConfigured, match=message):
        replication()


def test_without_followers_the_leader_is_read():
    with override_settings(FOLLOWER_DATABASES=[]), lag.session():
        assert router.db_for_read(Customer) == "default"


def test_the_admin_saves_and_shows(client, replicate):
    User.objects.create_superuser("root", password="secret")
    replicate()
    signed_in = client.post("/admin/login/", {"username": "root", "password": "secret"})
    tag = Tag.objects.create(name="new")

    added = client.post("/admin/shop/customer/add/", {"name": "Ada", "tags": [tag.id]})
    listed = client.get("/admin/shop/customer/")
    changed = client.get(f"/admin/shop/customer/{Customer.objects.get().id}/change/")

    assert (signed_in.status_code, added.status_code) == (302, 302)
    assert b"1 customer" in listed.content
    assert b"Ada" in changed.content


def test_a_wrapper_of_the_projects_own_is_taken_away_and_ours_stays():
    connection.close()
    connection.execute_wrappers.clear()

    with connection.execute_wrapper(lambda execute, *rest: execute(*rest)):
        Customer.objects.create(name="Ada")

    with lag.session():
        Customer.objects.create(name="Bob")

        assert len(connection.execute_wrappers) == 1
        assert router.db_for_read(Customer) == "default"
