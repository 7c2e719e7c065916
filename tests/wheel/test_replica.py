"""The wheel with the extra `replica` alone: a copy in a project whose packages have our names."""

from pathlib import Path

import pytest

from tests.sqlatch.leaders import leading
from tests.wheel.conftest import NAMESAKES, Environment, installed

PROGRAM = """
import os, sys
import sqlatch
from sqlatch import dbapi

given = {"token": os.environ["TOKEN"], "path": "copy"}
with sqlatch.connect(os.environ["URL"], **given) as client:
    client.execute("CREATE TABLE t AS SELECT 7 AS n")
    connection = dbapi.connect(os.environ["URL"], **given)
    print(client.query("SELECT n FROM t").rows, connection.execute("SELECT n FROM t").fetchall())
    connection.close()
"""


def test_a_replica_works_where_nothing_else_is_installed(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, namesakes: Path
) -> None:
    environment = installed(tmp_path_factory.mktemp("replica") / "venv", "[replica]")
    imports = "".join(f"import {name}\nassert {name}.MINE\n" for name in NAMESAKES)

    with leading(tmp_path) as leader:
        printed = environment.python(
            PROGRAM + imports,
            cwd=namesakes,
            PYTHONPATH=str(namesakes),
            URL=f"replica+{leader.url}/main",
            TOKEN=leader.token("main"),
        )

    assert printed == "[(7,)] [(7,)]\n"


def test_without_the_extra_it_says_what_to_install(bare: Environment, tmp_path: Path) -> None:
    url = "replica+https://localhost/main"
    code = f"import sqlatch; sqlatch.connect({url!r}, token='t', path='copy')"
    with pytest.raises(AssertionError, match=r"pip install 'sqlatch\[replica\]'"):
        bare.python(code, cwd=tmp_path)
