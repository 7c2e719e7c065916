"""`manage.py check`: a router without its middleware is warned of."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.checks import run_checks
from django.test import override_settings

from sqlatch.django.middleware import ReplicationLagMiddleware
from sqlatch.django.routers import CachedRouter, DistributedRouter, SessionCachedRouter

ROOT = Path(__file__).parents[3]
HERE = __name__
OURS = "sqlatch.django.middleware.ReplicationLagMiddleware"
OTHERS = [path for path in settings.MIDDLEWARE if path != OURS]


class Derived(SessionCachedRouter):
    cache_key_prefix = "mine."


class ByModel(CachedRouter):
    def get_cache_key(self, model):
        return model.__name__


class OfTheUser(SessionCachedRouter):
    def get_cache_key(self, model):
        return "user:1"


class Audited(DistributedRouter):
    def is_recently_updated(self, model):
        return False


class Wider(ReplicationLagMiddleware):
    """A project's own."""


def found():
    return [(message.id, message.hint) for message in run_checks(tags=["sqlatch"])]


def test_a_project_as_the_page_says_passes():
    assert found() == []


@pytest.mark.parametrize(
    "path",
    [
        "sqlatch.django.routers.SessionCachedRouter",
        "sqlatch.django.routers.DistributedRouter",
        f"{HERE}.Derived",
    ],
)
def test_a_router_that_asks_the_session_is_warned_of_without_the_middleware(path):
    with override_settings(MIDDLEWARE=OTHERS, DATABASE_ROUTERS=[path]):
        (message,) = run_checks(tags=["sqlatch"])

    assert (message.id, message.is_serious()) == ("sqlatch.W001", False)
    assert message.msg.startswith(f"{path} reads from the leader alone")
    assert message.hint.startswith(f"Put {OURS!r} first in MIDDLEWARE")


def test_a_middleware_derived_from_ours_will_do():
    with override_settings(MIDDLEWARE=["nowhere.Middleware", f"{HERE}.Wider", *OTHERS]):
        assert found() == []


@pytest.mark.parametrize(
    "changed",
    [
        {"DATABASE_ROUTERS": []},
        {"DATABASE_ROUTERS": [f"{HERE}.ByModel"]},
        {"DATABASE_ROUTERS": [f"{HERE}.OfTheUser"]},
        {"DATABASE_ROUTERS": [f"{HERE}.Audited"]},
        {"FOLLOWER_DATABASES": []},
    ],
)
def test_who_does_not_ask_the_session_is_not_warned(changed):
    with override_settings(MIDDLEWARE=OTHERS, **changed):
        assert found() == []


def test_a_setting_that_is_wrong_is_an_error_of_the_check():
    with override_settings(LEADER_DATABASE="nowhere"):
        (message,) = run_checks(tags=["sqlatch"])

    assert (message.id, message.is_serious()) == ("sqlatch.E001", True)
    assert message.msg == "LEADER_DATABASE: 'nowhere' is not in DATABASES"


ONE_TEST = """
from django.test import TestCase

class One(TestCase):
    def test_nothing(self):
        pass
"""


def manage(directory, changed, *arguments):
    """A command of Django on the project with other settings; what it says on standard error."""
    (directory / "other.py").write_text(
        f"from tests.django_routing.project.settings import *\nOURS = {OURS!r}\n{changed}\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "django", *arguments, "--settings", "other"],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": f"{directory}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.parametrize("missing", ["", "MIDDLEWARE.remove(OURS)"])
def test_the_command_says_it(tmp_path, missing):
    assert ("(sqlatch.W001)" in manage(tmp_path, missing, "check")) is bool(missing)


@pytest.mark.parametrize("missing", ["", "MIDDLEWARE.remove(OURS)"])
def test_the_tests_of_a_project_without_the_app_say_it(tmp_path, missing):
    (tmp_path / "test_one.py").write_text(ONE_TEST)
    changed = f"INSTALLED_APPS.remove('sqlatch.django')\n{missing}"

    said = manage(tmp_path, changed, "test")

    assert "Ran 1 test" in said
    assert ("(sqlatch.W001)" in said) is bool(missing)
