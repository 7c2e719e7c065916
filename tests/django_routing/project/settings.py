"""A Django project with a leader and two followers, each an SQLite file of its own."""

import os

DIRECTORY = os.environ["SHOP_DIRECTORY"]
SECRET_KEY = "only for the tests"
ALLOWED_HOSTS = ["testserver"]
ROOT_URLCONF = "tests.django_routing.project.urls"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

ENGINE = "django.db.backends.sqlite3"
DATABASES = {
    "default": {"ENGINE": ENGINE, "NAME": f"{DIRECTORY}/leader.db"},
    "follower1": {"ENGINE": ENGINE, "NAME": f"file:{DIRECTORY}/follower1.db?mode=ro"},
    "follower2": {"ENGINE": ENGINE, "NAME": f"file:{DIRECTORY}/follower2.db?mode=ro"},
    "warehouse": {"ENGINE": ENGINE, "NAME": f"{DIRECTORY}/warehouse.db"},
}
LEADER_DATABASE = "default"
FOLLOWER_DATABASES = ["follower1", "follower2"]
REPLICATION_LAG = 5
DATABASE_ROUTERS = ["sqlatch.django.routers.SessionCachedRouter"]
SESSION_ENGINE = "sqlatch.django.sessions"

MIDDLEWARE = [
    "sqlatch.django.middleware.ReplicationLagMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "sqlatch.django",
    "tests.django_routing.project.shop",
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
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
