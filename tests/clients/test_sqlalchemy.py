"""SQLAlchemy's dialect: the compliance suite of SQLAlchemy, beside the stock dialect; Alembic."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.clients.conftest import PYTHON, ROOT, Run

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

SUITE = ROOT / "tests" / "clients" / "sqlalchemy_suite"

COMMAND = [
    str(PYTHON),
    "-m",
    "pytest",
    "-q",
    "-p",
    "no:cacheprovider",
    "-c",
    "setup.cfg",
    "--rootdir",
    ".",
]

DIFFERENT = {
    # The suite puts these into a second schema, which for SQLite is another file: ATTACH.
    "ComponentReflectionTestExtra::test_check_constraint": 14,
    # A foreign key to what is not unique: the service enforces foreign keys, stock SQLite does not.
    "UnicodeSchemaTest::": 3,
}
"""Tests that the stock dialect passes and ours does not, by how their names begin; how many."""

ALEMBIC = """
import os
from urllib.parse import urlsplit
from alembic.autogenerate import compare_metadata, produce_migrations
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine
from sqlalchemy.dialects import registry

registry.register("sqlatch.http", "sqlatch.sqlalchemy", "HttpDialect")
url = urlsplit(os.environ["SQLATCH_URL"])
engine = create_engine(
    f"sqlatch+http://{url.netloc}/main", connect_args={"token": os.environ["SQLATCH_TOKEN"]}
)
metadata = MetaData()
Table("bird", metadata, Column("id", Integer, primary_key=True), Column("name", String(20)))
with engine.begin() as connection:
    context = MigrationContext.configure(connection)
    wanted = produce_migrations(context, metadata).upgrade_ops
    print([type(operation).__name__ for operation in wanted.ops])
    operations = Operations(context)
    for operation in wanted.ops:
        operations.invoke(operation)
with engine.connect() as connection:
    print(compare_metadata(MigrationContext.configure(connection), metadata))
"""

COMMENTED = """
import os
from urllib.parse import urlsplit
from sqlalchemy import create_engine, event
from sqlalchemy.dialects import registry
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

registry.register("sqlatch.http", "sqlatch.sqlalchemy", "HttpDialect")
url = urlsplit(os.environ["SQLATCH_URL"])
engine = create_engine(
    f"sqlatch+http://{url.netloc}/main/", connect_args={"token": os.environ["SQLATCH_TOKEN"]}
)

@event.listens_for(engine, "before_cursor_execute", retval=True)
def traced(connection, cursor, statement, parameters, context, executemany):
    return f"/* traceparent */ {statement}", parameters

class Base(DeclarativeBase):
    pass

class Bird(Base):
    __tablename__ = "bird"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]

Base.metadata.create_all(engine)
with Session(engine) as session:
    bird = Bird(name="wren")
    session.add(bird)
    session.commit()
    bird.name = "robin"
    session.commit()
    session.delete(bird)
    session.commit()
    print(session.query(Bird).count())
"""

BAD_URLS = """
from sqlalchemy import create_engine
from sqlalchemy.dialects import registry
from sqlalchemy.exc import SQLAlchemyError

registry.register("sqlatch.http", "sqlatch.sqlalchemy", "HttpDialect")
for place in (
    "localhost:1/Main", "/main", "localhost:1/main?nope=1", "localhost:1/main?timeout_s=soon",
    "localhost:1/main?timeout_s=1&timeout_s=2", "localhost:1/main?timeout_s=-1",
    "example.com/main?token=secret", "localhost:1/main?timeout_s=0.2",
):
    try:
        create_engine(f"sqlatch+http://{place}").connect()
    except SQLAlchemyError as error:
        print(type(error).__name__, getattr(error.__cause__, "sqlite_errorname", ""))
        assert "secret" not in str(error)
"""


ASYNC = """
import asyncio, os
from urllib.parse import urlsplit
from sqlalchemy import func, inspect, select, text
from sqlalchemy.dialects import registry
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlatch.aio import exchange

registry.register("sqlatch.http", "sqlatch.sqlalchemy", "HttpDialect")
url = urlsplit(os.environ["SQLATCH_URL"])
token = {"token": os.environ["SQLATCH_TOKEN"]}

class Base(DeclarativeBase):
    pass

class Bird(Base):
    __tablename__ = "bird"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)

sent = asyncio.Event()
traced = exchange._traced

def noted():
    async def note(_session, _context, chunk):
        if b"RECURSIVE" in chunk.chunk:
            sent.set()

    config = traced()
    config.on_request_chunk_sent.append(note)
    return config

exchange._traced = noted

async def program():
    engine = create_async_engine(f"sqlatch+http://{url.netloc}/main/", connect_args=token)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        print(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))
    session = async_sessionmaker(engine, expire_on_commit=False)

    async def add(name):
        while True:
            try:
                async with session.begin() as one:
                    one.add(Bird(name=name))
                return
            except OperationalError as error:
                assert error.orig.sqlite_errorname == "SQLITE_BUSY"

    await asyncio.gather(*(add(name) for name in ("wren", "robin", "crow")))
    try:
        await add("crow")
    except IntegrityError as error:
        print(type(error.orig).__name__, error.orig.sqlite_errorname[:17])
    async with session() as one:
        found = await one.stream_scalars(select(Bird.name).order_by(Bird.name))
        print([name async for name in found])
        one.add(Bird(name="rook"))
        await one.flush()
        await one.rollback()
        print(await one.scalar(select(func.count()).select_from(Bird)))

    async def slow():
        async with engine.begin() as connection:
            await connection.execute(text("INSERT INTO bird (name) VALUES ('owl')"))
            await connection.execute(text(
                "WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n) "
                "SELECT max(n) FROM (SELECT n FROM n LIMIT 3000000)"
            ))

    task = asyncio.create_task(slow())
    await sent.wait()  # this task goes on before the loop reads an answer
    task.cancel()
    print((await asyncio.gather(task, return_exceptions=True))[0].__class__.__name__)
    async with engine.connect() as connection:
        print((await connection.execute(text("SELECT count(*) FROM bird"))).scalar_one())
    print(engine.pool.checkedout())
    await engine.dispose()
    nowhere = create_async_engine("sqlatch+http://127.0.0.1:9/main?timeout_s=0.2")
    try:
        async with nowhere.connect():
            pass
    except OperationalError as error:
        print(error.orig.sqlite_errorname)

asyncio.run(program())
"""


def failures(url: str) -> tuple[set[str], int]:
    """The tests of the suite that fail on a database, and how many pass."""
    done = subprocess.run(
        [*COMMAND, "--dburi", url, "test_suite.py"],
        cwd=SUITE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None, done.stdout[-3000:] + done.stderr[-3000:]
    names = re.findall(r"^(?:FAILED|ERROR) \S*?::(\S+)", done.stdout, re.MULTILINE)
    return {re.sub(r"_sqlite\+\w+?_\d+_\d+_\d+", "", name) for name in names}, int(passed[1])


def test_the_suite_ends_as_with_the_stock_dialect(server: dict[str, str], tmp_path: Path) -> None:
    host = server["SQLATCH_URL"].removeprefix("http://").removesuffix("/main/")
    ours, passed = failures(f"sqlatch+http://any:{server['SQLATCH_TOKEN']}@{host}/main")
    stock, passed_stock = failures(f"sqlite:///{tmp_path}/stock.sqlite")

    only_ours = sorted(ours - stock)
    assert [name for name in only_ours if not name.startswith(tuple(DIFFERENT))] == []
    assert passed > 990
    assert passed + sum(DIFFERENT.values()) >= passed_stock - 5


def test_a_url_that_is_none_is_an_error_of_sqlalchemy(run: Run) -> None:
    bad = "OperationalError BAD_URL\n"

    assert run("python", BAD_URLS) == (
        3 * bad + 2 * "ArgumentError \n" + 2 * bad + "OperationalError UNREACHABLE\n"
    )


def test_alembic_finds_what_is_missing_makes_it_and_finds_nothing(run: Run) -> None:
    assert run("python", ALEMBIC) == "['CreateTableOp']\n[]\n"


def test_the_orm_counts_the_rows_of_statements_behind_a_comment(run: Run) -> None:
    assert run("python", COMMENTED) == "0\n"


def test_an_async_engine_does_what_one_for_threads_does(run: Run) -> None:
    assert run("python", ASYNC).splitlines() == [
        "['bird']",
        "IntegrityError SQLITE_CONSTRAINT",
        "['crow', 'robin', 'wren']",
        "3",
        "CancelledError",
        "3",
        "0",
        "UNREACHABLE",
    ]
