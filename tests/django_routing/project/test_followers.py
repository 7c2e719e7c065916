"""Which follower is read."""

import asyncio
import threading
from collections import Counter
from pathlib import Path

import pytest
from django.db import OperationalError, connections, router
from django.test import AsyncClient, override_settings

from sqlatch.django import followers, lag
from tests.django_routing.project.conftest import DIRECTORY
from tests.django_routing.project.shop.models import Customer


@pytest.fixture
def monotonic(monkeypatch):
    time = [0.0]
    monkeypatch.setattr(followers, "monotonic", lambda: time[0])
    return time


def chosen():
    with lag.session():
        return router.db_for_read(Customer)


def hide(name):
    connections[name].close()
    return Path(DIRECTORY / f"{name}.db").rename(DIRECTORY / f"{name}.away")


def test_both_followers_are_read_at_random():
    count = Counter(chosen() for _ in range(200))

    assert set(count) == {"follower1", "follower2"}
    assert min(count.values()) > 40  # below that once in 10**17 runs


def test_in_turn_they_are_read_equally_often():
    with override_settings(FOLLOWER_CHOICE="turn"):
        assert Counter(chosen() for _ in range(10)) == {"follower1": 5, "follower2": 5}


def test_one_session_reads_from_one_follower():
    for _ in range(20):
        with lag.session():
            assert len({router.db_for_read(Customer) for _ in range(10)}) == 1


def test_a_follower_that_cannot_be_reached_is_left_out(monotonic):
    away = hide("follower1")

    assert {chosen() for _ in range(50)} == {"follower2"}

    away.rename(DIRECTORY / "follower1.db")
    assert {chosen() for _ in range(50)} == {"follower2"}

    monotonic[0] += 31
    assert {chosen() for _ in range(50)} == {"follower1", "follower2"}


def test_while_it_is_left_out_nobody_tries_it(monotonic, monkeypatch):
    hide("follower1")
    tries = []
    ensure = connections["follower1"].ensure_connection
    monkeypatch.setattr(
        connections["follower1"], "ensure_connection", lambda: (tries.append(1), ensure())
    )

    for _ in range(50):
        chosen()

    assert len(tries) == 1


def test_while_one_thread_tries_again_the_others_go_elsewhere(monotonic, monkeypatch):
    connections["follower1"].close()
    followers.leave_out("follower1")
    monotonic[0] += 31
    connection = connections["follower1"]
    ensure = connection.ensure_connection
    meanwhile: list[str] = []

    def slowly():
        thread = threading.Thread(
            target=lambda: (meanwhile.extend(chosen() for _ in range(20)), connections.close_all())
        )
        if not meanwhile:  # connecting asks a second time
            thread.start()
            thread.join()
        ensure()

    monkeypatch.setattr(connection, "ensure_connection", slowly)
    for _ in range(20):
        chosen()

    assert len(meanwhile) == 20
    assert set(meanwhile) == {"follower2"}


def test_async_views_read_from_the_follower_that_is_there(replicate):
    Customer.objects.create(name="Ada")
    replicate()
    hide("follower1")

    async def visit():
        answers = [await AsyncClient().get("/ashow") for _ in range(20)]
        return [answer.json()["names"] for answer in answers]

    assert asyncio.run(visit()) == [["Ada"]] * 20
    assert "follower1" in followers._left_out_until


def test_with_all_followers_away_the_leader_is_read():
    hide("follower1")
    hide("follower2")
    Customer.objects.create(name="Ada")

    with lag.session():
        assert Customer.objects.get().name == "Ada"


def test_a_session_whose_follower_goes_reads_from_another():
    with lag.session() as session:
        first = router.db_for_read(Customer)
        hide(first)
        second = router.db_for_read(Customer)

        assert {first, second} == {"follower1", "follower2"}
        assert session.follower == second


def test_a_connection_that_breaks_in_a_query_leaves_the_follower_out(monkeypatch):
    """SQLite's connections do not break, so that one says what PostgreSQL's would."""
    with override_settings(FOLLOWER_DATABASES=["follower1"]), lag.session():
        before = router.db_for_read(Customer)
        monkeypatch.setattr(connections["follower1"], "is_usable", lambda: False)
        with pytest.raises(OperationalError):
            connections["follower1"].cursor().execute("SELECT * FROM missing")

        assert before == "follower1"
        assert router.db_for_read(Customer) == "default"
        assert connections["follower1"].connection is None


def test_a_query_that_is_wrong_leaves_nobody_out():
    with lag.session():
        alias = router.db_for_read(Customer)
        with pytest.raises(OperationalError, match="no such table"):
            connections[alias].cursor().execute("SELECT * FROM missing")

        assert router.db_for_read(Customer) == alias
