"""The examples of the documents, run; their settings, used."""

import asyncio
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.db import router
from django.test import Client, override_settings
from django.utils.module_loading import import_string

from sqlatch.django import lag
from sqlatch.django.replication import replication
from tests.django_routing.project import settings as project
from tests.django_routing.project.shop.models import Customer

DOCUMENTS = Path(__file__).parents[3] / "docs"
ROUTING = (DOCUMENTS / "django-routing.md").read_text()
MIGRATING = (DOCUMENTS / "migrating-from-django-distributed.md").read_text()


def blocks(page):
    return re.findall(r"```python\n(.*?)```", page, re.DOTALL)


def run(block, **names):
    exec(block, names)
    return names


def settings_of(block, **names):
    return {name: value for name, value in run(block, **names).items() if name.isupper()}


def test_the_settings_of_the_routing_page_are_taken():
    found = settings_of(blocks(ROUTING)[0])
    databases = found.pop("DATABASES")

    assert set(found["FOLLOWER_DATABASES"]) | {found["LEADER_DATABASE"]} == set(databases)
    assert set(found.pop("INSTALLED_APPS")) <= set(settings.INSTALLED_APPS)
    with override_settings(**found, INSTALLED_APPS=settings.INSTALLED_APPS), lag.session():
        assert router.db_for_read(Customer) == "follower1"
        Client().post("/add", {"name": "Ada"})
    assert Customer.objects.get().name == "Ada"


def test_the_settings_of_the_migration_page_are_taken(client):
    found = settings_of(
        blocks(MIGRATING)[0],
        MIDDLEWARE=tuple(project.MIDDLEWARE[1:]),
        INSTALLED_APPS=[app for app in project.INSTALLED_APPS if app != "sqlatch.django"],
    )

    with override_settings(**found):
        del settings.FOLLOWER_DATABASES
        read = client.get("/show").json()["db"]
        written = client.post("/add", {"name": "Ada"}).json()["db"]
        read_again = client.get("/show").json()["db"]

    assert read in found["REPLICA_DATABASES"]
    assert (written, read_again) == ("default", "default")


@pytest.mark.parametrize("number", range(1, len(blocks(ROUTING))))
def test_an_example_of_the_routing_page_runs(number):
    names = run(blocks(ROUTING)[number], Customer=Customer, DATABASES={"follower1": {}})

    if "areport" in names:
        assert names["report"]() == 0
        assert asyncio.run(names["areport"]()) == 0
        with lag.session("customer:42"):
            assert Customer.objects.get().name == "Ada"


def test_the_routers_of_the_migration_page_run():
    names = run(blocks(MIGRATING)[1])

    assert names["Audited"]().db_for_read(Customer) in project.FOLLOWER_DATABASES
    names["ByModel"]().db_for_write(Customer)
    assert names["ByModel"]().db_for_read(Customer) == "default"


def test_every_setting_is_in_the_table_and_its_default_is_true():
    table = dict(re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", ROUTING, re.MULTILINE))
    with override_settings(REPLICATION_LAG=None):  # which makes them be read again
        for name in table:
            if hasattr(settings, name):
                delattr(settings, name)
        defaults = replication()

    assert table == {
        "LEADER_DATABASE": f'`"{defaults.leader}"`',
        "FOLLOWER_DATABASES": f"`{list(defaults.followers)}`",
        "REPLICATION_LAG": f"`{defaults.lag_s:g}`",
        "REPLICATION_POSITIONS": f"`{defaults.positions}`",
        "FOLLOWER_CHOICE": f'`"{defaults.choice}"`',
        "FOLLOWER_RETRY": f"`{defaults.retry_s:g}`",
        "REPLICATION_LAG_KEY": "none",
        "REPLICATION_LAG_CACHE": f'`"{defaults.cache}"`',
    }
    source = (DOCUMENTS.parent / "sqlatch/django/replication.py").read_text()
    assert set(re.findall(r'"([A-Z]+_[A-Z_]+)"', source)) - {"REPLICA_DATABASES"} == set(table)


def test_every_path_of_the_migration_page_leads_somewhere():
    for path in re.findall(r"\| `(sqlatch\.[\w.]+)`", MIGRATING):
        assert import_string(f"{path}.SessionStore" if path.endswith("sessions") else path)
