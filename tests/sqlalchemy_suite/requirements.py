"""What the suite may ask of this dialect: what SQLite has, but for what the service refuses."""

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

    views = view_column_reflection = YES
