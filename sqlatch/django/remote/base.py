"""The DatabaseWrapper: Django's for SQLite, on a connection of `sqlatch.dbapi`.

A transaction holds nothing at the service. It is run again with each request, and is refused if
another has changed what it read.
"""

from typing import Any, ClassVar

from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS
from django.db.backends.sqlite3 import base
from django.db.backends.utils import debug_transaction
from django.utils.asyncio import async_unsafe

from sqlatch import dbapi
from sqlatch.django.remote.client import DatabaseClient
from sqlatch.django.remote.creation import DatabaseCreation
from sqlatch.django.remote.cursor import Cursor
from sqlatch.django.remote.features import DatabaseFeatures
from sqlatch.django.remote.introspection import DatabaseIntrospection
from sqlatch.django.remote.operations import DatabaseOperations
from sqlatch.failures import BadUrl
from sqlatch.url import target_of

OPTIONS = {"token": "token", "iam": "iam", "timeout": "timeout_s", "attempt_timeout": "attempt_s"}
"""The names in OPTIONS, and the parameters of `sqlatch.dbapi.connect` that they set."""

REGEX = frozenset({"regex", "iregex"})


class DatabaseWrapper(base.DatabaseWrapper):
    """NAME is a URL: lambda://FUNCTION/DATABASE, https://HOST/DATABASE/, http://HOST/DATABASE/."""

    Database = dbapi
    client_class = DatabaseClient
    creation_class = DatabaseCreation
    features_class = DatabaseFeatures
    introspection_class = DatabaseIntrospection
    ops_class = DatabaseOperations
    operators: ClassVar = {
        name: operator
        for name, operator in base.DatabaseWrapper.operators.items()
        if name not in REGEX
    }

    def __init__(self, settings_dict: dict[str, Any], alias: str = DEFAULT_DB_ALIAS) -> None:
        super().__init__(settings_dict, alias)
        self._marks: dict[str, dbapi.Mark] = {}

    def get_connection_params(self) -> dict[str, Any]:
        where = f"settings.DATABASES[{self.alias!r}]"
        options = dict(self.settings_dict["OPTIONS"])
        given = {meant: options.pop(name) for name, meant in OPTIONS.items() if name in options}
        if options:
            raise ImproperlyConfigured(
                f"{where}['OPTIONS'] has {next(iter(options))!r}; there are {', '.join(OPTIONS)}"
            )
        url = str(self.settings_dict["NAME"] or "")
        try:
            target_of(url)
        except BadUrl as error:
            raise ImproperlyConfigured(f"{where}['NAME']: {error}") from error
        return {"url": url, **given}

    @async_unsafe
    def get_new_connection(self, conn_params: dict[str, Any]) -> dbapi.Connection:
        return dbapi.connect(**conn_params, autocommit=True)

    def create_cursor(self, name: str | None = None) -> Cursor:
        return Cursor(self.connection)

    def is_in_memory_db(self) -> bool:
        return False

    def is_usable(self) -> bool:
        """Return whether the service answers; a transaction finds out with its next statement.

        There is no connection to lose: each request is one.
        """
        if self.connection.in_transaction:
            return True
        try:
            Cursor(self.connection).execute("SELECT 1")
        except dbapi.Error:
            return False
        return True

    def _savepoint_allowed(self) -> bool:
        return not self.get_autocommit()

    def _start_transaction_under_autocommit(self) -> None:
        # Which Django calls where the class has it, as that for SQLite does.
        with debug_transaction(self, "BEGIN"):
            self._set_autocommit(False)  # noqa: FBT003

    def _set_autocommit(self, autocommit: bool) -> None:  # noqa: FBT001 - Django's signature
        with self.wrap_database_errors:
            self.connection.autocommit = autocommit
        self._marks.clear()

    def _savepoint(self, sid: str) -> None:
        if self._is_only_tests_own():
            with self.wrap_database_errors:
                self._marks[sid] = self.connection.mark()
        else:
            super()._savepoint(sid)

    def _savepoint_commit(self, sid: str) -> None:
        if self._marks.pop(sid, None) is None:
            super()._savepoint_commit(sid)

    def _savepoint_rollback(self, sid: str) -> None:
        mark = self._marks.get(sid)
        if mark is None:
            super()._savepoint_rollback(sid)
        else:
            with self.wrap_database_errors:
                self.connection.go_back(mark)

    def _is_only_tests_own(self) -> bool:
        """Return whether only TestCase's transactions are open: the next is then the outermost.

        It is rolled back as a transaction is, by forgetting. As a savepoint it would stay in the
        log, with each statement of each test before.
        """
        blocks = self.atomic_blocks
        return bool(blocks) and all(block._from_testcase for block in blocks)
