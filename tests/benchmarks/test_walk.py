"""The stations that a request passes, counted: they are the same on every machine."""

import pytest

from benchmarks import data, service
from benchmarks.walk import DIRECT_READ, LIBSQL_WRITE, Walk, walks_of
from handler.query import lambda_handler
from tests.conftest import Ask


@pytest.fixture
def walks(ask: Ask) -> dict[str, Walk]:
    values = list(data.values_of(1))
    ask(statements=[{"query": data.SCHEMA}, {"query": data.WRITE, "parameters": values}])
    ask(query="UPDATE things SET id = ?", parameters=[data.row_of(1)])
    return walks_of(lambda event: lambda_handler(event, service.CONTEXT))


def test_a_warm_read_passes_few_functions_in_few_files(walks: dict[str, Walk]) -> None:
    walk = walks[DIRECT_READ]

    assert len(walk.functions) <= 50, "\n".join(walk.functions)
    assert len(walk.files) <= 14, "\n".join(walk.files)


def test_a_libsql_write_passes_few_functions_and_changes_rooms_seldom(
    walks: dict[str, Walk],
) -> None:
    walk = walks[LIBSQL_WRITE]

    assert len(walk.functions) <= 138, "\n".join(walk.functions)
    assert walk.room_changes <= 44, "\n".join(walk.functions)


def test_the_stations_of_a_request_are_seen(walks: dict[str, Walk]) -> None:
    assert walks[DIRECT_READ].functions[0] == "handler/query.py:lambda_handler"
    assert "storage/inplace/store.py:Store.snapshot" in walks[DIRECT_READ].functions
