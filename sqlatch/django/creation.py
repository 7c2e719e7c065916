"""Test databases: a journal left by a killed run is not to be rolled back into the next one's."""

import sqlite3
from contextlib import closing

from django.db.backends.sqlite3 import creation

from sqlatch.django.files import database_file


class DatabaseCreation(creation.DatabaseCreation):
    def _create_test_db(self, verbosity: int, autoclobber: bool, keepdb: bool = False) -> str:  # noqa: FBT001, FBT002
        name: str = super()._create_test_db(verbosity, autoclobber, keepdb)
        if not keepdb:
            self._remove_journal(name)
        return name

    def _clone_test_db(self, suffix: str, verbosity: int, keepdb: bool = False) -> None:  # noqa: FBT001, FBT002
        source = self.connection.settings_dict["NAME"]
        target = self.get_test_db_clone_settings(suffix)["NAME"]
        if self.is_in_memory_db(source) or (keepdb and database_file(target).path.exists()):
            super()._clone_test_db(suffix, verbosity, keepdb)
            return
        database_file(target).path.unlink(missing_ok=True)
        self._remove_journal(target)
        # Django's own reads the file, which would drop the locks that this process has on it.
        with closing(sqlite3.connect(source)) as before, closing(sqlite3.connect(target)) as clone:
            before.backup(clone)

    def _destroy_test_db(self, test_database_name: str, verbosity: int) -> None:
        super()._destroy_test_db(test_database_name, verbosity)
        self._remove_journal(test_database_name)

    def _remove_journal(self, name: str) -> None:
        if not self.is_in_memory_db(name):
            database_file(name).journal.unlink(missing_ok=True)
