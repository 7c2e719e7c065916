"""Django's compilers, and select_for_update(): here it takes the lease on the whole database."""

from typing import Any

from django.db.models.sql import compiler
from django.db.models.sql.compiler import (
    SQLAggregateCompiler,
    SQLDeleteCompiler,
    SQLInsertCompiler,
    SQLUpdateCompiler,
)

__all__ = [
    "SQLAggregateCompiler",
    "SQLCompiler",
    "SQLDeleteCompiler",
    "SQLInsertCompiler",
    "SQLUpdateCompiler",
]


class SQLCompiler(compiler.SQLCompiler):
    def execute_sql(self, *arguments: Any, **options: Any) -> Any:
        """Take the lease before the rows are read, so that nobody changes them until the commit."""
        if self.query.select_for_update:
            self.connection.lock_for_update(nowait=self.query.select_for_update_nowait)
        return super().execute_sql(*arguments, **options)
