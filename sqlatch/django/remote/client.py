"""`manage.py dbshell`: the shell of the command `sqlatch`, at the same database."""

from typing import Any

from django.db.backends.base.client import BaseDatabaseClient


class DatabaseClient(BaseDatabaseClient):
    executable_name = "sqlatch"

    @classmethod
    def settings_to_cmd_args_env(
        cls, settings_dict: dict[str, Any], parameters: list[str]
    ) -> tuple[list[str], dict[str, str] | None]:
        options = settings_dict["OPTIONS"]
        arguments = [cls.executable_name, "shell", "--url", str(settings_dict["NAME"])]
        if options.get("iam") is not None:
            arguments.append("--iam" if options["iam"] else "--no-iam")
        # Not on the command line, which others can read.
        token = options.get("token")
        return [*arguments, *parameters], {"SQLATCH_TOKEN": token} if token else None
