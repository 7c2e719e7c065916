"""A Django project with apps of its own named `events` and `handler`, on the wheel alone."""

from pathlib import Path

import pytest

from tests.wheel.conftest import Environment

SETTINGS = """
from pathlib import Path

SECRET_KEY = "only for the test"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["sqlatch.django", "events", "handler"]
MIDDLEWARE = ["sqlatch.django.middleware.ReplicationLagMiddleware"]
HERE = Path(__file__).parent
DATABASES = {
    "default": {"ENGINE": "sqlatch.django", "NAME": HERE / "site.db"},
    "follower": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"file:{HERE}/site.db?mode=ro"},
}
FOLLOWER_DATABASES = ["follower"]
DATABASE_ROUTERS = ["sqlatch.django.routers.SessionCachedRouter"]
"""
EVENTS = """
from django.db import models


class Event(models.Model):
    name = models.CharField(max_length=20)
"""
HANDLER = """
from django.db import models

from events.models import Event


class Handler(models.Model):
    event = models.ForeignKey(Event, on_delete=models.CASCADE)
"""
PROGRAM = """
import django

django.setup()

from events.models import Event
from handler.models import Handler
from django.db import transaction
from sqlatch.django import lag

with transaction.atomic():
    Handler.objects.create(event=Event.objects.create(name="opening"))
with lag.session():
    (handler,) = Handler.objects.select_related("event")
print(handler._state.db, handler.event.name, Event.__module__, Handler.__module__)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "settings.py").write_text(SETTINGS)
    for app, models in (("events", EVENTS), ("handler", HANDLER)):
        (tmp_path / app).mkdir()
        (tmp_path / app / "__init__.py").touch()
        (tmp_path / app / "models.py").write_text(models)
    return tmp_path


def test_a_project_with_apps_named_events_and_handler_works(
    django: Environment, project: Path
) -> None:
    here = {"DJANGO_SETTINGS_MODULE": "settings", "PYTHONPATH": str(project)}

    def manage(*arguments: str) -> str:
        command = [str(django.bin / "python"), "-W", "error", "-m", "django", *arguments]
        return django.run(command, cwd=project, **here)

    assert "no issues" in manage("check", "--fail-level", "WARNING")
    manage("makemigrations", "events", "handler")
    assert "Applying handler.0001_initial... OK" in manage("migrate")
    assert django.python(PROGRAM, cwd=project, **here) == (
        "follower opening events.models handler.models\n"
    )
    assert {path.name for path in project.glob("*.db*")} == {"site.db", "site.db-journal"}
