"""Django, configured once; each test has a database of its own, with each kind of lease table."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from handler.service import service
from locking.clock import Clock
from locking.leases import Leases
from locking.tables import open_table
from sqlatch.tokens import new_key, sign
from tests.sqlatch.conftest import composed, http_url  # noqa: F401 - fixtures

if TYPE_CHECKING:
    import sqlatch.django.remote.base
    from sqlatch.django.base import DatabaseWrapper

# `make test` runs without Django, and with `-m "not django"`.
collect_ignore_glob = [] if find_spec("django") else ["*"]

Connect = Callable[..., "DatabaseWrapper"]
Open = Callable[..., "sqlatch.django.remote.base.DatabaseWrapper"]


@dataclass
class Hands:
    """A clock whose hands can be moved."""

    moved_s: float = 0.0
    clock: Clock = field(init=False)

    def __post_init__(self) -> None:
        self.clock = Clock(now=lambda: time.time() + self.moved_s)


@dataclass
class Counter:
    """Counts the leases that are taken, by the fence, which each of them raises."""

    address: str
    name: str = "main"

    def taken(self) -> int:
        table = open_table(self.address)
        leases = Leases(table, clock=Clock())
        with leases.hold(self.name, holder="the test", deadline_s=time.time() + 5) as lease:
            fence = lease.held.fence
        leases.close()
        since, self.fence = fence - getattr(self, "fence", fence) - 1, fence
        return since

    def held(self) -> list[str]:
        leases = Leases(open_table(self.address), clock=Clock())
        try:
            return [held.holder for held in leases.held()]
        finally:
            leases.close()


def pytest_configure() -> None:
    if not find_spec("django"):
        return
    import django
    from django.conf import settings

    if not settings.configured:
        settings.configure(
            DATABASES={"default": {"ENGINE": "sqlatch.django", "NAME": ":memory:"}},
            INSTALLED_APPS=["tests.django.bank"],
            DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        )
        django.setup()


@pytest.fixture
def address(environment: dict[str, str]) -> str:
    leases = Path(environment["SQLATCH_DATABASES"]) / ".leases.sqlite"
    return environment.get("SQLATCH_LEASES") or f"sqlite:{leases}"


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def connect(environment: dict[str, str], directory: Path, hands: Hands) -> Iterator[Connect]:
    """Further connections to the database, as other processes have them."""
    from django.db import connections

    from sqlatch.django import write_lease
    from sqlatch.django.base import DatabaseWrapper

    opened = []

    def connect(name: str | Path = directory / "main.db", **options: Any) -> DatabaseWrapper:
        given = {"default": {"ENGINE": "sqlatch.django", "NAME": name, "OPTIONS": options}}
        wrapper = DatabaseWrapper(connections.configure_settings(given)["default"], "default")
        wrapper.clock = hands.clock
        opened.append(wrapper)
        return wrapper

    yield connect
    for wrapper in opened:
        wrapper.close()
    write_lease._shared.cache_clear()


@pytest.fixture
def connection(connect: Connect) -> Iterator["DatabaseWrapper"]:
    """Django's default connection, on a file with the tables of the bank."""
    from django.core.management import call_command
    from django.db import connections

    before = connections["default"]
    connections["default"] = wrapper = connect()
    call_command("migrate", run_syncdb=True, verbosity=0)
    yield wrapper
    connections["default"] = before


@pytest.fixture
def leases(address: str, connection: "DatabaseWrapper") -> Counter:
    counter = Counter(address)
    counter.taken()
    return counter


@pytest.fixture
def process_environment(environment: dict[str, str], connection: Any) -> dict[str, str]:
    return {**os.environ, **environment}


@pytest.fixture
def remote(http_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:  # noqa: F811
    """Connections over the network; the default one is such, to tables of the bank."""
    from django.core.management import call_command
    from django.db import connections

    from sqlatch.django.remote.base import DatabaseWrapper

    private, public = new_key()
    monkeypatch.setenv("SQLATCH_TOKEN_KEYS", public)
    service.cache_clear()
    token = sign(private, access="rw", databases="*", lifetime_s=600)
    opened = []

    def open_one(url: str = http_url, **options: Any) -> DatabaseWrapper:
        settings: dict[str, Any] = {"ENGINE": "sqlatch.django.remote", "NAME": url}
        settings["OPTIONS"] = {"token": token, **options}
        wrapper = DatabaseWrapper(
            connections.configure_settings({"default": settings})["default"], "default"
        )
        opened.append(wrapper)
        return wrapper

    # Whoever makes and ends a test database leaves its name in the settings.
    monkeypatch.setitem(connections.settings["default"], "NAME", ":memory:")
    before = connections["default"]
    connections["default"] = open_one()
    call_command("migrate", run_syncdb=True, verbosity=0)
    yield open_one
    connections["default"] = before
    for wrapper in opened:
        wrapper.close()
