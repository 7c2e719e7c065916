"""The settings of Django's own suite: files rather than memory, or a URL, on the engine named."""

import os
from pathlib import Path
from typing import Any

DIRECTORY = Path(os.environ["SUITE_DIRECTORY"])
ENGINE = os.environ["SUITE_ENGINE"]
URL = os.environ.get("SUITE_URL")

DATABASES: dict[str, dict[str, Any]]
if URL is not None:
    DATABASES = {
        alias: {
            "ENGINE": ENGINE,
            "NAME": f"{URL}/{alias}",
            "OPTIONS": {"token": os.environ["SUITE_TOKEN"]},
        }
        for alias in ("default", "other")
    }
else:
    DATABASES = {
        alias: {
            "ENGINE": ENGINE,
            "NAME": DIRECTORY / f"{alias}.db",
            "TEST": {"NAME": str(DIRECTORY / f"test_{alias}.db")},
        }
        for alias in ("default", "other")
    }
SQLITE_LOCK_EXPIRATION = 600
SECRET_KEY = "the suite's"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False
TEST_RUNNER = "tests.django.suite_runner.Runner"
