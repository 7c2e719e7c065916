"""The settings of the site: on Lambda from its template, elsewhere what a developer needs."""

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
IN_LAMBDA = "AWS_LAMBDA_FUNCTION_NAME" in os.environ

DATABASES = {
    "default": {
        "ENGINE": "sqlatch.django",
        "NAME": Path(os.environ.get("DATABASES_DIRECTORY", BASE_DIR)) / "polls.db",
        # Below the timeout of the function: how long a write waits for the lease.
        "OPTIONS": {"timeout": 10},
        # Opening a file over NFS costs more than a query, so it stays open between requests.
        "CONN_MAX_AGE": None,
    }
}

SECRET_KEY = os.environ["SECRET_KEY"] if IN_LAMBDA else "for development"
DEBUG = not IN_LAMBDA
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "*").split(",")

INSTALLED_APPS = [
    "polls",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
ROOT_URLCONF = "mysite.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
STATIC_URL = "static/"
