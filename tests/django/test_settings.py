"""The settings: django-sqlite-efs's names and the service's, as Django settings or environment."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from sqlatch.django.files import database_file
from sqlatch.django.settings import LeaseSettings, lease_settings

pytestmark = pytest.mark.django

DATABASE = Path("/mnt/data/shop.sqlite3")
BESIDE = "sqlite:/mnt/data/.leases.sqlite"


@pytest.fixture(autouse=True)
def empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SQLATCH_LEASES", raising=False)
    monkeypatch.delenv("AWS_LAMBDA_RUNTIME_API", raising=False)


@pytest.mark.parametrize(
    ("given", "timeout", "expected"),
    [
        ({}, None, LeaseSettings(BESIDE, 5.0, 10.0)),
        ({"SQLATCH_LEASES": "dynamodb:l"}, 20, LeaseSettings("dynamodb:l", 20.0, 10.0)),
        ({"SQLITE_LOCK_DYNAMODB_TABLE": "l"}, None, LeaseSettings("dynamodb:l", 5.0, 10.0)),
        ({"SQLITE_LOCK_EXPIRATION": "45"}, None, LeaseSettings(BESIDE, 5.0, 45.0)),
        ({"SQLITE_LOCK_MAX_ATTEMPTS": "10"}, None, LeaseSettings(BESIDE, 2.75, 10.0)),
        ({"SQLITE_LOCK_MAX_ATTEMPTS": "50"}, 3, LeaseSettings(BESIDE, 3.0, 10.0)),
    ],
)
@pytest.mark.parametrize("place", ["environment", "Django settings"])
def test_settings(
    given: dict[str, str],
    timeout: float | None,
    expected: LeaseSettings,
    place: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = {} if timeout is None else {"timeout": timeout}
    if place == "Django settings":
        with override_settings(**given):
            assert lease_settings(DATABASE, options) == expected
    else:
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        assert lease_settings(DATABASE, options) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SQLATCH_LEASES", "redis:x"),
        ("SQLITE_LOCK_EXPIRATION", "soon"),
        ("SQLITE_LOCK_EXPIRATION", "-1"),
        ("SQLITE_LOCK_EXPIRATION", "nan"),
        ("SQLITE_LOCK_MAX_ATTEMPTS", "many"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    with override_settings(**{name: value}), pytest.raises(ImproperlyConfigured, match=name):
        lease_settings(DATABASE, {})


def test_on_lambda_the_table_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1")

    with pytest.raises(ImproperlyConfigured, match="SQLATCH_LEASES"):
        lease_settings(DATABASE, {})


@pytest.mark.parametrize(
    ("name", "path", "lease", "is_read_only"),
    [
        ("/mnt/data/shop.db", "/mnt/data/shop.db", "shop", False),
        (Path("/mnt/shop.sqlite3"), "/mnt/shop.sqlite3", "shop", False),
        ("file:/mnt/a%20b.db?mode=ro", "/mnt/a b.db", "a b", True),
        ("file:relative.db", "relative.db", "relative", False),
    ],
)
def test_the_file_and_its_lease(
    name: str | Path, path: str, lease: str, is_read_only: bool
) -> None:
    file = database_file(name)

    assert (file.path, file.name, file.is_read_only) == (Path(path).absolute(), lease, is_read_only)
    assert file.journal == Path(f"{path}-journal").absolute()
