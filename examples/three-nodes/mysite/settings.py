"""The settings of the site, the same at each node but for the name and the node beside it."""

import os

NODE_NAME = os.environ.get("NODE_NAME", "node1")

DATABASES = {
    "default": {
        "ENGINE": "sqlatch.django.remote",
        # The node beside this site, which leads or follows.
        "NAME": os.environ.get("SQLATCH_URL", "http://127.0.0.1:9001/wall/"),
        # For 10 seconds a request is sent again while no node leads, each time for 3 at most. That
        # is longer than a takeover, and below the patience of a visitor.
        "OPTIONS": {
            "token": os.environ.get("SQLATCH_TOKEN"),
            "timeout": 10,
            "attempt_timeout": 3,
        },
        "CONN_MAX_AGE": None,
    }
}

# One for all nodes: a login at one of them holds at the others.
SECRET_KEY = os.environ.get("SECRET_KEY", "for development")
DEBUG = False
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "localhost,127.0.0.1").split(",")

INSTALLED_APPS = [
    "wall",
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
