"""Many sessions at once against followers that a replicator keeps behind the leader."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from django.test import Client, override_settings

from tests.django_routing.project.conftest import copy

SESSIONS = 6
WRITES_EACH = 8


@pytest.fixture
def replicator():
    """Copies at its own pace, so a read soon after a write finds a follower without it."""
    stop = threading.Event()

    def run():
        while not stop.wait(0.2):
            copy()

    thread = threading.Thread(target=run)
    thread.start()
    yield
    stop.set()
    thread.join()


def shop(number):
    """The writes of one session that its own next read did not show; and who answered others."""
    client = Client()
    missed, answered = [], set()
    for turn in range(WRITES_EACH):
        name = f"{number}-{turn}"
        assert client.post("/add", {"name": name}).status_code == 200
        seen = client.get("/show").json()
        if name not in seen["names"]:
            missed.append(name)
        answered.add(Client().get("/show").json()["db"])
    connections.close_all()
    return missed, answered


def shop_together():
    with ThreadPoolExecutor(SESSIONS) as pool:
        results = list(pool.map(shop, range(SESSIONS)))
    missed = list(itertools.chain.from_iterable(missed for missed, _ in results))
    answered = set().union(*(answered for _, answered in results))
    return missed, answered


@pytest.mark.usefixtures("replicator")
def test_every_session_reads_what_it_wrote_and_the_others_read_followers():
    missed, answered = shop_together()

    assert missed == []
    assert answered == {"follower1", "follower2"}


@pytest.mark.usefixtures("replicator")
def test_without_the_lag_sessions_miss_what_they_wrote():
    """The control: the replicator is slow enough for the test above to mean something."""
    with override_settings(REPLICATION_LAG=0):
        missed, _ = shop_together()

    assert missed
