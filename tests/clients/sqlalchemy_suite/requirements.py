"""The features that the suite may test: those of SQLite, but for what the service refuses."""

from sqlalchemy.testing import exclusions
from sqlalchemy.testing.requirements import SuiteRequirements

YES = property(lambda _requirements: exclusions.open())
NO = property(lambda _requirements: exclusions.closed())


class Requirements(SuiteRequirements):
    """Named as SQLAlchemy's own for SQLite."""

    # What the service refuses: temporary tables, and ATTACH, by which SQLite has schemas.
    temporary_tables = temp_table_names = temporary_views = temp_table_reflection = NO
    temp_table_reflect_indexes = schemas = NO
    has_temp_table = NO

    # What SQLite has, and SQLAlchemy does not ask of every database.
    views = view_column_reflection = YES
    ctes = ctes_with_update_delete = update_from = window_functions = YES
    json_type = nullsordering = savepoints = YES
    insert_returning = update_returning = delete_returning = YES
    insert_executemany_returning = YES
    autocommit = isolation_level = YES
    named_constraints = unique_constraint_reflection = YES
    foreign_key_ddl = self_referential_foreign_keys = YES
    foreign_key_constraint_reflection = inline_check_constraint_reflection = YES
    check_constraint_reflection = index_reflection = YES
    primary_key_constraint_reflection = YES
    tuple_in = YES
    regexp_match = NO
    autoincrement_insert = dbapi_lastrowid = implements_get_lastrowid = YES
    computed_columns = computed_columns_stored = computed_columns_virtual = YES
    datetime_microseconds = timestamp_microseconds = date_historic = time_microseconds = YES
    intersect = except_ = YES
    sql_expression_limit_offset = offset = bound_limit_offset = YES
    empty_inserts = emulated_lastrowid = YES
    precision_generic_float_type = YES
    implicitly_named_constraints = YES
    unicode_ddl = unicode_data = reserved_words = YES

    # What SQLite has not, as SQLAlchemy's own requirements for it say.
    parens_in_union_without_limit_offset = NO
    reflect_table_options = comment_reflection = NO

    def get_isolation_levels(self, _config: object) -> dict[str, object]:
        return {"default": "SERIALIZABLE", "supported": ["SERIALIZABLE", "AUTOCOMMIT"]}
