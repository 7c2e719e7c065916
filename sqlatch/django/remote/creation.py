"""Test databases: one of another name at the same service, emptied before and after.

Over the network no database is deleted. Making one takes no more than to write to it.
"""

import sys
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.core.exceptions import ImproperlyConfigured
from django.db.backends.base.creation import TEST_DATABASE_PREFIX, BaseDatabaseCreation

from sqlatch import dbapi

DROPPED_FIRST = ("view", "virtual", "table")
"""A virtual table takes its shadows with it, a table its indexes and triggers."""


class DatabaseCreation(BaseDatabaseCreation):
    @staticmethod
    def is_in_memory_db(_name: Any) -> bool:
        return False

    def _get_test_db_name(self) -> str:
        url = str(self.connection.settings_dict["NAME"])
        parts = urlsplit(url)
        place, _slash, database = parts.path.removesuffix("/").rpartition("/")
        name = str(self.connection.settings_dict["TEST"]["NAME"] or TEST_DATABASE_PREFIX + database)
        test_url = name if "://" in name else urlunsplit(parts._replace(path=f"{place}/{name}"))
        if test_url.rstrip("/") == url.rstrip("/"):
            raise ImproperlyConfigured(
                f"the test database of {self.connection.alias!r} is the database itself,"
                " of which tests drop every table"
            )
        return test_url

    def _create_test_db(self, verbosity: int, autoclobber: bool, keepdb: bool = False) -> str:  # noqa: FBT001, FBT002
        url = self._get_test_db_name()
        if keepdb:
            return url
        with closing(self._connected(url)) as connection:
            if not _objects(connection):
                return url
            if not autoclobber and not self._may_clobber(url):
                self.log("Tests cancelled.")
                sys.exit(1)
            if verbosity >= 1:
                shown = self._get_database_display_str(verbosity, url)
                self.log(f"Emptying old test database for alias {shown}...")
            empty(connection)
        return url

    def _destroy_test_db(self, test_database_name: str, verbosity: int) -> None:
        with closing(self._connected(test_database_name)) as connection:
            empty(connection)

    def _may_clobber(self, url: str) -> bool:
        asked = f"Type 'yes' to drop every table of the database '{url}', or 'no' to cancel: "
        return input(asked) == "yes"

    def _connected(self, url: str) -> dbapi.Connection:
        parameters = {**self.connection.get_connection_params(), "url": url}
        return dbapi.connect(**parameters, autocommit=True)


def empty(connection: dbapi.Connection) -> None:
    """Drop every table and view, in one transaction. The service's own tables stay."""
    script = "".join(_drop(kind, name) for kind, name in _objects(connection))
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.autocommit = False
    connection.executescript(script)
    connection.autocommit = True


def _objects(connection: dbapi.Connection) -> list[tuple[str, str]]:
    found = connection.execute(
        "SELECT type, name FROM pragma_table_list WHERE schema = 'main'"
        " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlatch\\_%' ESCAPE '\\'"
    ).fetchall()
    dropped = [(kind, name) for kind, name in found if kind in DROPPED_FIRST]
    return sorted(dropped, key=lambda one: DROPPED_FIRST.index(one[0]))


def _drop(kind: str, name: str) -> str:
    quoted = name.replace('"', '""')
    return f'DROP {"VIEW" if kind == "view" else "TABLE"} "{quoted}";'
