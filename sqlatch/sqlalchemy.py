"""SQLAlchemy's dialect: `sqlatch+lambda://`, `sqlatch+https://`, `sqlatch+http://` and replicas.

create_engine("sqlatch+lambda://FUNCTION/DATABASE?qualifier=prod&region=eu-west-1")
create_engine("sqlatch+https://HOST/DATABASE/", connect_args={"token": "..."})
create_engine("sqlatch+replica+https://HOST/DATABASE/?path=/var/lib/copies", connect_args=...)

The same URLs are those of `create_async_engine`.
"""

from typing import Any
from urllib.parse import urlencode

from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.engine import URL, Connection
from sqlalchemy.engine.reflection import cache
from sqlalchemy.exc import ArgumentError

OWN_TABLES = "sqlatch_"

OPTIONS = {"token": str, "timeout_s": float, "attempt_s": float, "path": str, "max_age_ms": int}
"""The options of the connection, in a URL's query or in `connect_args`."""


class SqlatchDialect(SQLiteDialect):
    """SQLite's dialect on `sqlatch.dbapi`: serializable, or with AUTOCOMMIT each statement alone.

    A connection holds nothing at the service, so it is the pool's to keep as many as it likes.
    """

    driver = "sqlatch"
    scheme = ""
    supports_statement_cache = True  # SQLAlchemy wants each class to say so itself
    default_paramstyle = "qmark"

    @classmethod
    def import_dbapi(cls) -> Any:
        from sqlatch import dbapi

        return dbapi

    def create_connect_args(self, url: URL) -> tuple[list[str], dict[str, Any]]:
        query = {name: str(value) for name, value in url.query.items()}
        try:
            options: dict[str, Any] = {
                name: kind(query.pop(name)) for name, kind in OPTIONS.items() if name in query
            }
        except ValueError as error:
            raise ArgumentError(f"an option of the URL is not a number: {error}") from error
        if url.password is not None:
            options["token"] = str(url.password)
        place = url.host or ""
        if "qualifier" in query:
            place = f"{place}:{query.pop('qualifier')}"
        elif url.port is not None:
            place = f"{place}:{url.port}"
        behind = f"?{urlencode(query)}" if query else ""
        return [f"{self.scheme}://{place}/{url.database or 'main'}{behind}"], options

    def get_isolation_level_values(self, dbapi_conn: Any) -> list[str]:
        return ["SERIALIZABLE", "AUTOCOMMIT"]

    def get_default_isolation_level(self, dbapi_conn: Any) -> str:
        return "SERIALIZABLE"

    def get_isolation_level(self, dbapi_connection: Any) -> str:
        return "AUTOCOMMIT" if dbapi_connection.autocommit else "SERIALIZABLE"

    def set_isolation_level(self, dbapi_connection: Any, level: str) -> None:
        dbapi_connection.autocommit = level == "AUTOCOMMIT"

    def _get_server_version_info(self, connection: Connection) -> tuple[int, ...]:
        version = connection.exec_driver_sql("SELECT sqlite_version()").scalar_one()
        return tuple(map(int, str(version).split(".")))

    @cache
    def get_table_names(self, connection: Connection, *arguments: Any, **keywords: Any) -> Any:
        """The tables but for the service's own, which migrations are to leave alone."""
        names = super().get_table_names(connection, *arguments, **keywords)
        return [name for name in names if not name.startswith(OWN_TABLES)]


class LambdaDialect(SqlatchDialect):
    """By direct invoke."""

    scheme = "lambda"
    supports_statement_cache = True

    @classmethod
    def get_async_dialect_cls(cls, url: URL) -> Any:
        from sqlatch.aio.sqlalchemy import AsyncLambdaDialect

        return AsyncLambdaDialect


class HttpsDialect(SqlatchDialect):
    """By HTTP API or Function URL."""

    scheme = "https"
    supports_statement_cache = True

    @classmethod
    def get_async_dialect_cls(cls, url: URL) -> Any:
        from sqlatch.aio.sqlalchemy import AsyncHttpsDialect

        return AsyncHttpsDialect


class HttpDialect(SqlatchDialect):
    """By the local server."""

    scheme = "http"
    supports_statement_cache = True

    @classmethod
    def get_async_dialect_cls(cls, url: URL) -> Any:
        from sqlatch.aio.sqlalchemy import AsyncHttpDialect

        return AsyncHttpDialect


class ReplicaHttpsDialect(HttpsDialect):
    """By a copy in this process, and the leader behind an HTTP API or a Function URL."""

    scheme = "replica+https"
    supports_statement_cache = True

    @classmethod
    def get_async_dialect_cls(cls, url: URL) -> Any:
        from sqlatch.aio.sqlalchemy import AsyncReplicaHttpsDialect

        return AsyncReplicaHttpsDialect


class ReplicaHttpDialect(HttpDialect):
    """By a copy in this process, and a leader on this machine."""

    scheme = "replica+http"
    supports_statement_cache = True

    @classmethod
    def get_async_dialect_cls(cls, url: URL) -> Any:
        from sqlatch.aio.sqlalchemy import AsyncReplicaHttpDialect

        return AsyncReplicaHttpDialect
