"""Whole applications of the clients: types, batches, transactions, conflicts."""

from pathlib import Path

import pytest

from tests.clients.conftest import Run

pytestmark = [pytest.mark.clients, pytest.mark.timeout(180)]

HERE = Path(__file__).parent

SQLALCHEMY = """
import os
from urllib.parse import urlsplit
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine
from sqlalchemy import insert, inspect, select

url = urlsplit(os.environ["SQLATCH_URL"])
engine = create_engine(
    f"sqlite+libsql://{url.netloc}{url.path}?secure=false",
    connect_args={"auth_token": os.environ["SQLATCH_TOKEN"]},
)
metadata = MetaData()
people = Table(
    "people", metadata, Column("id", Integer, primary_key=True), Column("name", String, unique=True)
)
metadata.create_all(engine)
with engine.begin() as connection:
    connection.execute(insert(people), [{"name": "a"}, {"name": "b"}])
try:
    with engine.begin() as connection:
        connection.execute(insert(people), {"name": "gone"})
        raise KeyError
except KeyError:
    pass
with engine.begin() as connection:
    connection.execute(insert(people), {"name": "c"})
    with connection.begin_nested() as savepoint:
        connection.execute(insert(people), {"name": "undone"})
        savepoint.rollback()
try:
    with engine.begin() as connection:
        connection.execute(insert(people), {"name": "a"})
except Exception as error:
    assert "UNIQUE constraint failed: people.name" in str(error), error
else:
    raise AssertionError("a duplicate was let in")
with engine.connect() as connection:
    print([name for (name,) in connection.execute(select(people.c.name).order_by(people.c.id))])
print([column["name"] for column in inspect(engine).get_columns("people")])
"""


def test_an_application_of_libsql_client(run: Run) -> None:
    assert run("js", (HERE / "transactions.mjs").read_text()) == "all held\n"


def test_a_rollback_through_sqlalchemy_leaves_no_row(run: Run) -> None:
    assert run("python", SQLALCHEMY) == "['a', 'b', 'c']\n['id', 'name']\n"
