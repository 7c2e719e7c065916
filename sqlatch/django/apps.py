"""`sqlatch.django` among INSTALLED_APPS: the system checks, before anything else is loaded."""

from importlib import import_module

from django.apps import AppConfig


class SqlatchConfig(AppConfig):
    name = "sqlatch.django"
    label = "sqlatch"

    def ready(self) -> None:
        import_module("sqlatch.django.checks")
