"""Django's ORM, a request as Django does one, on its own SQLite backend and on django-sqlite-efs.

django-sqlite-efs closes its connection at the end of a request, and so does Django unless told
otherwise; `kept` leaves the connection open between requests, which neither does by itself.
"""

import os
import sqlite3
from functools import cache
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core import signals
from django.db import DatabaseError, connections

from benchmarks import data
from benchmarks.table_names import DJANGO_TABLE

STOCK = "stock"
EFS = "efs"
PATIENCE_S = 20
EXPIRATION_S = 30


class Orm:
    """One alias of Django's databases."""

    def __init__(self, alias: str, *, kept: bool = False) -> None:
        self._alias = alias
        self._kept = kept
        self._things = _model().objects.using(alias)

    def read(self, number: int) -> str:
        self._begin()
        name = str(self._things.get(pk=number).name)
        self._end()
        return name

    def write(self, number: int) -> None:
        self._begin()
        name, size, weight, note = data.values_of(number)
        self._things.create(name=name, size=size, weight=weight, note=note)
        self._end()

    def executemany(self, sql: str, rows: list[list[Any]]) -> None:
        """Statements without the ORM, in one transaction."""
        from django.db import transaction

        with transaction.atomic(self._alias), connections[self._alias].cursor() as cursor:
            cursor.executemany(sql.replace("?", "%s"), rows)

    def close(self) -> None:
        connections[self._alias].close()

    def _begin(self) -> None:
        if not self._kept:
            signals.request_started.send(sender=None)

    def _end(self) -> None:
        if not self._kept:
            signals.request_finished.send(sender=None)


def open_stock(directory: Path) -> Orm:
    return _open(STOCK, "django.db.backends.sqlite3", directory, kept=False)


def open_efs(directory: Path) -> Orm:
    return _open(EFS, "django_sqlite_efs", directory, kept=False)


def open_efs_kept(directory: Path) -> Orm:
    return _open(f"{EFS}-kept", "django_sqlite_efs", directory, kept=True)


def refusals() -> tuple[type[Exception], ...]:
    """Return the exceptions of a refused write."""
    from django_sqlite_efs.exceptions import DatabaseBusy

    return (DatabaseBusy, DatabaseError, sqlite3.OperationalError)


def _open(alias: str, engine: str, directory: Path, *, kept: bool) -> Orm:
    database = {
        "ENGINE": engine,
        "NAME": str(directory / data.FILE),
        "OPTIONS": {"timeout": PATIENCE_S},
    }
    if settings.configured:
        prepared = connections.configure_settings({"default": {}, alias: database})
        connections.settings[alias] = prepared[alias]
        if hasattr(connections._connections, alias):
            delattr(connections._connections, alias)
    else:
        _configure({"default": {}, alias: database})
    return Orm(alias, kept=kept)


def _configure(databases: dict[str, Any]) -> None:
    os.environ.setdefault("SQLITE_LOCK_DYNAMODB_TABLE", DJANGO_TABLE)
    os.environ.setdefault("SQLITE_LOCK_EXPIRATION", str(EXPIRATION_S))
    settings.configure(DATABASES=databases, INSTALLED_APPS=[], USE_TZ=True)
    django.setup()


@cache
def _model() -> Any:
    from django.db import models

    class Thing(models.Model):
        name = models.TextField()
        size = models.IntegerField()
        weight = models.FloatField()
        note = models.TextField(null=True)

        class Meta:
            app_label = "benchmarks"
            db_table = "things"
            managed = False

    return Thing
