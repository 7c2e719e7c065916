"""docs/django-remote.md under test: its settings, its example, a site with the admin."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from sqlatch.django.remote.base import OPTIONS
from sqlatch.opening import ATTEMPT_S, TIMEOUT_S
from tests.cloudformation import ROOT
from tests.django.bank.models import Account
from tests.django.conftest import Open
from tests.django.test_polls import example  # noqa: F401 - a fixture
from tests.sqlatch.conftest import lambda_api  # noqa: F401 - a fixture
from tests.sqlatch.lambda_server import FUNCTION

pytestmark = pytest.mark.django

PAGE = (ROOT / "docs" / "django-remote.md").read_text()
SETTINGS, PAY = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)

ADMIN = """
import django
django.setup()
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

User.objects.create_superuser("ada", "ada@example.org", "secret")
client = Client()
for password in ("wrong", "secret"):
    answer = client.post("/admin/login/?next=/admin/", {"username": "ada", "password": password})
    print(answer.status_code)
form = {"question_text": "Tea?", "pub_date_0": "2026-01-01", "pub_date_1": "10:00:00",
        "choice_set-TOTAL_FORMS": "1", "choice_set-INITIAL_FORMS": "0",
        "choice_set-0-choice_text": "Yes", "choice_set-0-votes": "0"}
print(client.post("/admin/polls/question/add/", form).status_code)
page = client.get("/admin/polls/question/").content.decode()
print("Tea?" in page)
print(User.objects.get().last_login is not None)
import sys
print("boto3" in sys.modules)
"""


def settings_for(url: str, token: str) -> str:
    """The page's settings, for another database."""
    block = SETTINGS.replace("lambda://sqlatch-query:live/shop", url)
    assert block != SETTINGS
    return block.replace('"timeout": 20', f'"timeout": 20, "token": "{token}"')


def run(example: Path, *arguments: str) -> str:  # noqa: F811
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=example,
        env={**os.environ, "PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "remote"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def test_a_site_with_the_admin_on_the_pages_settings(
    remote: Open,
    http_url: str,
    example: Path,  # noqa: F811
) -> None:
    token = connection.settings_dict["OPTIONS"]["token"]
    block = settings_for(http_url.replace("/main", "/polls"), token)
    (example / "remote.py").write_text(f"from mysite.settings import *\n{block}")

    assert run(example, "manage.py", "migrate").count("OK") > 10
    assert run(example, "-c", ADMIN).split() == ["200", "302", "302", "True", "True", "False"]
    dumped = run(example, "manage.py", "dumpdata", "polls", "--output", "polls.json")
    run(example, "manage.py", "flush", "--no-input")
    assert "Installed 2 object(s)" in run(example, "manage.py", "loaddata", "polls.json"), dumped
    assert "\nOK" in run(example, "manage.py", "test")


def test_the_table_of_options_names_them_all() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| `?(.+?)`? \|", PAGE, re.MULTILINE))

    assert set(OPTIONS) <= set(rows)
    assert (rows["timeout"], rows["attempt_timeout"]) == (f"{TIMEOUT_S:g}", f"{ATTEMPT_S:g}")


def test_its_example_pays_once_however_often_it_is_refused(remote: Open) -> None:
    Account.objects.create(owner="a", balance=10)
    interruptions = iter(range(3))

    class Interrupted:
        """The model, with another writer behind each read."""

        class objects:
            @staticmethod
            def get(**by: Any) -> Account:
                found = Account.objects.get(**by)
                if next(interruptions, None) is not None:
                    with remote().cursor() as other:
                        other.execute("UPDATE bank_account SET balance = balance + 100")
                return found

    names: dict[str, Any] = {"transaction": transaction, "OperationalError": OperationalError}
    exec(PAY, names | {"Account": Interrupted}, names)
    names["pay"]("a", 4)

    assert Account.objects.get().balance == 306


def test_by_direct_invoke(remote: Open, lambda_api: object) -> None:  # noqa: F811
    wrapper = remote(f"lambda://{FUNCTION}/main", token=None)

    with transaction.atomic(), wrapper.cursor() as cursor:
        cursor.execute("INSERT INTO bank_account (owner, balance) VALUES (%s, 1)", ["a"])
    wrapper.close()

    assert Account.objects.get().owner == "a"


def test_dbshell_is_told_the_token_where_others_cannot_read_it(remote: Open) -> None:
    arguments, environment = connection.client.settings_to_cmd_args_env(
        {"NAME": "https://host/shop", "OPTIONS": {"token": "secret", "iam": False}}, []
    )

    assert arguments == ["sqlatch", "shell", "--url", "https://host/shop", "--no-iam"]
    assert environment == {"SQLATCH_TOKEN": "secret"}
