"""A Django project whose apps have the names of the service's packages, on the wheel alone."""

import subprocess
import sys
from pathlib import Path

import pytest

from sqlatch.kernel.version import __version__
from tests.wheel.conftest import NAMESAKES, ROOT, UV, Environment

SETTINGS = """
import os
from pathlib import Path

SECRET_KEY = "only for the test"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["sqlatch.django", *os.environ["APPS"].split()]
MIDDLEWARE = ["sqlatch.django.middleware.ReplicationLagMiddleware"]
HERE = Path(__file__).parent
DATABASES = {
    "default": {"ENGINE": "sqlatch.django", "NAME": HERE / "site.db"},
    "follower": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"file:{HERE}/site.db?mode=ro"},
}
FOLLOWER_DATABASES = ["follower"]
DATABASE_ROUTERS = ["sqlatch.django.routers.SessionCachedRouter"]
"""
MODELS = """
from django.db import models


class Thing(models.Model):
    name = models.CharField(max_length=20)
"""
PROGRAM = """
import sqlite3
from contextlib import closing
from importlib import import_module

import django

django.setup()

from django.conf import settings
from django.db import transaction
from sqlatch.django import lag


def holders():
    with closing(sqlite3.connect(".leases.sqlite")) as leases:
        return [holder is not None for (holder,) in leases.execute("SELECT holder FROM lease")]


for name in settings.INSTALLED_APPS[1:]:
    Thing = import_module(f"{name}.models").Thing
    with transaction.atomic():
        Thing.objects.create(name=name)
        held = holders()
    with lag.session():
        (thing,) = Thing.objects.all()
    print(thing._state.db, thing.name, held, holders())
"""


@pytest.fixture
def project(namesakes: Path) -> Path:
    (namesakes / "settings.py").write_text(SETTINGS)
    for app in NAMESAKES:
        (namesakes / app / "models.py").write_text(MODELS)
    return namesakes


def test_a_project_whose_apps_have_the_names_of_the_service_s_packages_works(
    django: Environment, project: Path
) -> None:
    here = {
        "APPS": " ".join(NAMESAKES),
        "DJANGO_SETTINGS_MODULE": "settings",
        "PYTHONPATH": str(project),
    }

    def manage(*arguments: str) -> str:
        command = [str(django.bin / "python"), "-W", "error", "-m", "django", *arguments]
        return django.run(command, cwd=project, **here)

    assert "no issues" in manage("check", "--fail-level", "WARNING")
    manage("makemigrations", *NAMESAKES)
    migrated = manage("migrate")
    assert all(f"Applying {app}.0001_initial... OK" in migrated for app in NAMESAKES)
    assert django.python(PROGRAM, cwd=project, **here).splitlines() == [
        f"follower {app} [True] [False]" for app in NAMESAKES
    ]
    assert {path.name for path in project.glob("*.db*")} == {"site.db", "site.db-journal"}


def test_what_the_example_needs_is_found_as_its_page_says(tmp_path: Path) -> None:
    requirements = ROOT / "examples" / "django-polls" / "requirements.txt"
    command: list[str | Path] = [
        UV, "pip", "install", "--dry-run", "--python", sys.executable, "--target", tmp_path,
        "--find-links", ROOT / "dist", "-r", requirements,
    ]  # fmt: skip

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert f" + sqlatch=={__version__}" in done.stderr
