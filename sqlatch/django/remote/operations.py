"""Operations: Django's for SQLite, in SQL that needs no function of Django's."""

import sqlite3
from typing import Any

from django.conf import settings
from django.db import NotSupportedError
from django.db.backends.sqlite3 import operations

from sqlatch.django.remote import dates
from sqlatch.django.remote.dates import Sql, of_kind, of_moment

VALUES_MAX = 999
"""Of one statement of the local SQLite that quotes values."""


class DatabaseOperations(operations.DatabaseOperations):
    compiler_module = "sqlatch.django.remote.compiler"

    def date_extract_sql(self, lookup_type: str, sql: str, params: Any) -> Sql:
        return of_moment(of_kind(dates.EXTRACTED, lookup_type), sql, tuple(params), (None, None))

    def date_trunc_sql(
        self, lookup_type: str, sql: str, params: Any, tzname: str | None = None
    ) -> Sql:
        body = of_kind(dates.DATES, lookup_type)
        return of_moment(body, sql, tuple(params), self._convert_tznames_to_sql(tzname))

    def datetime_extract_sql(
        self, lookup_type: str, sql: str, params: Any, tzname: str | None
    ) -> Sql:
        body = of_kind(dates.EXTRACTED, lookup_type)
        return of_moment(body, sql, tuple(params), self._convert_tznames_to_sql(tzname))

    def datetime_trunc_sql(
        self, lookup_type: str, sql: str, params: Any, tzname: str | None
    ) -> Sql:
        body = of_kind(dates.MOMENTS, lookup_type)
        return of_moment(body, sql, tuple(params), self._convert_tznames_to_sql(tzname))

    def datetime_cast_date_sql(self, sql: str, params: Any, tzname: str | None) -> Sql:
        zones = self._convert_tznames_to_sql(tzname)
        return of_moment(dates.DATE_OF_MOMENT, sql, tuple(params), zones)

    def datetime_cast_time_sql(self, sql: str, params: Any, tzname: str | None) -> Sql:
        return dates.time_of_moment(sql, tuple(params), self._convert_tznames_to_sql(tzname))

    def time_extract_sql(self, lookup_type: str, sql: str, params: Any) -> Sql:
        body = of_kind(dates.EXTRACTED, lookup_type)
        return dates.in_place(body, sql, tuple(params))

    def time_trunc_sql(
        self, lookup_type: str, sql: str, params: Any, tzname: str | None = None
    ) -> Sql:
        body = of_kind(dates.TIMES, lookup_type)
        if tzname and settings.USE_TZ:
            return of_moment(body, sql, tuple(params), self._convert_tznames_to_sql(tzname))
        return dates.in_place(body, sql, tuple(params))

    def subtract_temporals(self, internal_type: str, lhs: Sql, rhs: Sql) -> Sql:
        return dates.difference((lhs[0], tuple(lhs[1])), (rhs[0], tuple(rhs[1])))

    def combine_duration_expression(self, connector: str, sub_expressions: list[str]) -> str:
        # Django's own looks whether there are two, and which connector it is.
        super().combine_duration_expression(connector, sub_expressions)
        left, right = sub_expressions
        return dates.duration_arithmetic(connector.strip(), left, right)

    def combine_expression(self, connector: str, sub_expressions: list[str]) -> str:
        if connector == "#":
            left, right = sub_expressions
            return (
                "(SELECT (bit_l | bit_r) - (bit_l & bit_r)"
                f" FROM (SELECT {left} AS bit_l, {right} AS bit_r))"
            )
        return str(super().combine_expression(connector, sub_expressions))

    def regex_lookup(self, lookup_type: str) -> str:
        raise NotSupportedError(
            f"the lookup {lookup_type!r}: the service has no regular expressions;"
            " there are contains, startswith, endswith and their like"
        )

    @property
    def _references_graph(self) -> Any:
        return self._referring_to

    def _referring_to(self, table: str) -> list[str]:
        """The table, and those that refer to it, directly or not."""
        query = """
            WITH RECURSIVE
            referring(name, target) AS MATERIALIZED (
                SELECT tables.name, keys."table"
                FROM sqlite_schema AS tables, pragma_foreign_key_list(tables.name) AS keys
                WHERE tables.type = 'table'
            ),
            found(name) AS (
                SELECT %s
                UNION
                SELECT referring.name FROM referring
                JOIN found ON referring.target = found.name COLLATE NOCASE
            )
            SELECT name FROM found
        """
        with self.connection.cursor() as cursor:
            cursor.execute(query, (table,))
            return [row[0] for row in cursor.fetchall()]

    def execute_sql_flush(self, sql_list: list[str]) -> None:
        """All in one request: else each would be run again with each that comes behind it."""
        from django.db import transaction

        with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
            cursor.executescript("\n".join(sql_list))

    def _quote_params_for_last_executed_query(self, params: Any) -> tuple[Any, ...]:
        """Quote values with this Python's SQLite: a log of queries needs no service."""
        quoted: tuple[Any, ...] = ()
        with sqlite3.connect(":memory:") as connection:
            for begin in range(0, len(params), VALUES_MAX):
                part = tuple(params[begin : begin + VALUES_MAX])
                marks = ", ".join(["QUOTE(?)"] * len(part))
                quoted += connection.execute(f"SELECT {marks}", part).fetchone()
        connection.close()
        return quoted
