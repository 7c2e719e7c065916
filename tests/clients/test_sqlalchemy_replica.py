"""SQLAlchemy's engines, for threads and for asyncio, on a replica."""

import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.clients.conftest import PYTHON, ROOT
from tests.sqlatch.leaders import leading

pytestmark = pytest.mark.clients

PROGRAM = """
import asyncio, os, sys

sys.path.append(os.environ["ALSO"])  # what reads a copy is not among the clients
from sqlalchemy import create_engine, text
from sqlalchemy.dialects import registry
from sqlalchemy.ext.asyncio import create_async_engine

registry.register("sqlatch.replica.http", "sqlatch.sqlalchemy", "ReplicaHttpDialect")
url = os.environ["URL"] + "?path=copy"
given = {"connect_args": {"token": os.environ["TOKEN"]}}
engine = create_engine(url + "&max_age_ms=500", **given)
with engine.begin() as connection:
    connection.execute(text("CREATE TABLE t AS SELECT 7 AS n"))
with engine.connect() as connection:
    print(connection.execute(text("SELECT n FROM t")).fetchall())
engine.dispose()


async def read():
    engine = create_async_engine(url, **given)
    async with engine.connect() as connection:
        print((await connection.execute(text("SELECT n FROM t"))).fetchall())
    await engine.dispose()


asyncio.run(read())
"""


def test_engines_read_the_copy_and_write_at_the_leader(tmp_path: Path) -> None:
    with leading(tmp_path) as leader:
        done = subprocess.run(
            [PYTHON, "-c", PROGRAM],
            cwd=tmp_path,
            env={
                "PYTHONPATH": str(ROOT),
                "ALSO": sysconfig.get_path("purelib"),
                "URL": f"sqlatch+replica+{leader.url}/main",
                "TOKEN": leader.token("main"),
            },
            capture_output=True,
            text=True,
            check=False,
        )

    assert (done.returncode, done.stdout) == (0, "[(7,)]\n[(7,)]\n"), done.stderr
