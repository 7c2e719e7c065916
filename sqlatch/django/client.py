"""`manage.py dbshell`: SQLite's own shell, which takes no lease, and so opens the file to read."""

from typing import Any

from django.db.backends.sqlite3 import client


class DatabaseClient(client.DatabaseClient):
    @classmethod
    def settings_to_cmd_args_env(
        cls, settings_dict: dict[str, Any], parameters: list[str]
    ) -> tuple[list[str], None]:
        arguments, environment = super().settings_to_cmd_args_env(settings_dict, parameters)
        executable, *rest = arguments
        return [executable, "-readonly", *rest], environment
