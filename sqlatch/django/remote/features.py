"""The features of the service's SQLite, which is not that of this Python."""

from django.db.backends.sqlite3 import features


class DatabaseFeatures(features.DatabaseFeatures):
    """Django's for SQLite. Where they ask the local SQLite, or by query, the answer stands here."""

    test_db_allows_multiple_connections = True
    can_clone_databases = False
    max_query_params = 32_766
    can_alter_table_drop_column = True
    can_return_columns_from_insert = True
    can_return_rows_from_bulk_insert = True
    supports_aggregate_order_by_clause = True
    supports_json_field = True
    can_introspect_json_field = True
    has_json_object_function = True
    supports_uuid7_function = False
    supports_regex_backreferencing = False
