"""Introspection: Django's for SQLite, without the service's own tables."""

from typing import Any

from django.db.backends.sqlite3 import introspection

OWN_TABLES = "sqlatch_"


class DatabaseIntrospection(introspection.DatabaseIntrospection):
    def get_table_list(self, cursor: Any) -> Any:
        tables = super().get_table_list(cursor)
        return [table for table in tables if not table.name.startswith(OWN_TABLES)]
