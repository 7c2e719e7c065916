"""The project's databases, empty for each test, and replication that happens when it is told to."""

import asyncio
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async

DIRECTORY = Path(os.environ.setdefault("SHOP_DIRECTORY", tempfile.mkdtemp()))
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.django_routing.project.settings"

import django  # noqa: E402

django.setup()

from django.core.cache import cache  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connections  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import setup_test_environment  # noqa: E402

from sqlatch.django import followers, lag  # noqa: E402

FILES = ("leader.db", "follower1.db", "follower2.db", "warehouse.db")

setup_test_environment()


class Clock:
    """The time by which the lag is counted, put forward by the tests."""

    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds

    def forward(self, seconds: float) -> None:
        self.seconds += seconds


def copy(*names: str) -> None:
    """Replicate: the followers become copies of the leader as it is now."""
    for name in names or ("follower1", "follower2"):
        with (
            closing(sqlite3.connect(DIRECTORY / "leader.db")) as leader,
            closing(sqlite3.connect(DIRECTORY / f"{name}.db")) as follower,
        ):
            leader.backup(follower)


@pytest.fixture(scope="session")
def template() -> Path:
    path = DIRECTORY / "template.db"
    call_command("migrate", run_syncdb=True, verbosity=0, database="default")
    connections.close_all()
    shutil.move(DIRECTORY / "leader.db", path)
    return path


@pytest.fixture(autouse=True)
def databases(template: Path) -> Iterator[None]:
    for name in FILES:
        shutil.copy(template, DIRECTORY / name)
    yield
    connections.close_all()
    asyncio.run(sync_to_async(connections.close_all)())  # those of the thread behind async code
    cache.clear()
    followers._left_out_until.clear()
    for name in FILES:
        (DIRECTORY / name).unlink(missing_ok=True)


@pytest.fixture
def replicate() -> Callable[..., None]:
    return copy


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(lag, "now", clock)
    return clock


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)
