"""SQLAlchemy's own compliance suite for dialects, by its pytest plugin."""

import pytest
from sqlalchemy.dialects import registry

registry.register("sqlatch", "sqlatch.sqlalchemy", "HttpsDialect")
registry.register("sqlatch.http", "sqlatch.sqlalchemy", "HttpDialect")
registry.register("sqlatch.https", "sqlatch.sqlalchemy", "HttpsDialect")
registry.register("sqlatch.lambda", "sqlatch.sqlalchemy", "LambdaDialect")
pytest.register_assert_rewrite("sqlalchemy.testing.assertions")

from sqlalchemy.testing.plugin.pytestplugin import *  # noqa: E402, F403 (the order is the suite's)
from sqlalchemy.testing.provision import temp_table_keyword_args  # noqa: E402


@temp_table_keyword_args.for_db("sqlatch")
def _temp_table_keyword_args(_configuration: object, _engine: object) -> dict[str, list[str]]:
    return {"prefixes": ["TEMPORARY"]}
