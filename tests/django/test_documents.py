"""The pages on Django under test: their settings are taken, their examples run."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, transaction
from django.test import override_settings

from sqlatch.django import settings as names
from sqlatch.django.base import DatabaseWrapper
from sqlatch.django.settings import LeaseSettings, lease_settings
from tests.cloudformation import ROOT
from tests.django.bank.models import Account
from tests.django.conftest import Counter

pytestmark = pytest.mark.django

DJANGO = (ROOT / "docs" / "django.md").read_text()
MIGRATING = (ROOT / "docs" / "migrating-from-django-sqlite-efs.md").read_text()


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page, re.DOTALL)


def leases_of(block: str) -> LeaseSettings:
    """Return the settings that a page's code makes."""
    found: dict[str, Any] = {}
    exec(block, found)
    database = found.pop("DATABASES")["default"]
    assert database.pop("ENGINE") == "sqlatch.django"
    with override_settings(**{name: found[name] for name in found if name.isupper()}):
        return lease_settings(Path(database["NAME"]), database["OPTIONS"])


@pytest.fixture(autouse=True)
def empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SQLATCH_LEASES", raising=False)


def test_the_settings_of_the_page_are_taken() -> None:
    assert leases_of(blocks(DJANGO)[0]) == LeaseSettings("dynamodb:leases", 10.0, 10.0)


def test_the_settings_of_the_original_are_taken() -> None:
    assert leases_of(blocks(MIGRATING)[0]) == LeaseSettings("dynamodb:locks", 2.75, 30.0)


def test_the_table_of_settings_names_them_all() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", DJANGO, re.MULTILINE)

    assert sorted(rows) == sorted(
        [names.LEASES, names.TABLE, names.EXPIRATION, names.ATTEMPTS, "timeout"]
    )
    assert f"| `{names.EXPIRATION}` | `{names.EXPIRATION_S:g}` |" in DJANGO
    assert f"| `timeout` | `{names.TIMEOUT_S:g}` |" in DJANGO


def test_its_example_takes_the_lease_before_it_reads(leases: Counter) -> None:
    Account.objects.create(owner="a")
    leases.taken()

    exec(blocks(DJANGO)[1], {"transaction": transaction, "Account": Account})

    assert Account.objects.get().balance == 1
    assert leases.taken() == 1


def test_what_it_says_is_not_to_be_set_is_refused(connection: DatabaseWrapper) -> None:
    line = next(line for line in DJANGO.splitlines() if "not to be set" in line)
    pragmas = [name for name in re.findall(r"`(\w+)`", line) if name != "init_command"]

    assert len(pragmas) == 6
    for pragma in pragmas:
        with pytest.raises(OperationalError, match="not to be set"), connection.cursor() as cursor:
            cursor.execute(f"PRAGMA {pragma} = 1")


def test_a_copy_is_made_as_it_says(connection: DatabaseWrapper, tmp_path: Path) -> None:
    Account.objects.create(owner="a")

    with closing(sqlite3.connect(tmp_path / "copy.db")) as target:
        connection.connection.backup(target)

        assert target.execute("SELECT owner FROM bank_account").fetchall() == [("a",)]


def test_dbshell_only_reads(connection: DatabaseWrapper) -> None:
    arguments, _environment = connection.client.settings_to_cmd_args_env(
        connection.settings_dict, []
    )

    assert arguments[:2] == ["sqlite3", "-readonly"]
