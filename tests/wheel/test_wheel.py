"""The wheel alone: what is in it, what it needs, and the examples of the pages on it."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests import pages
from tests.command.conftest import ROOT
from tests.dynamodb_server import CREDENTIALS
from tests.sqlatch.conftest import composed as composed
from tests.sqlatch.conftest import lambda_api as lambda_api
from tests.sqlatch.lambda_server import FUNCTION, LambdaServer
from tests.wheel.conftest import NAMESAKES, Environment

HERE = "http://127.0.0.1:8000"


def blocks(page: str, language: str) -> list[str]:
    return pages.blocks((ROOT / "docs" / page).read_text(), language)


def test_one_top_level_package_is_installed(bare: Environment, tmp_path: Path) -> None:
    printed = bare.python(
        "import json, importlib.metadata as m\n"
        "print(json.dumps([str(file) for file in m.files('sqlatch')]))",
        cwd=tmp_path,
    )

    tops = {Path(file).parts[0] for file in json.loads(printed)}
    assert {top for top in tops if not top.endswith(".dist-info")} - {".."} == {"sqlatch"}


def test_what_an_index_would_show_has_no_link_into_the_repository(
    bare: Environment, tmp_path: Path
) -> None:
    shown = bare.python(
        "import importlib.metadata as m; print(m.metadata('sqlatch').get_payload())", cwd=tmp_path
    )

    assert shown.strip() == (ROOT / "sqlatch" / "README.md").read_text().strip()
    links = re.findall(r"\]\((.+?)\)", shown)
    assert [link for link in links if not link.startswith("https://")] == []
    extras = bare.python(
        "import importlib.metadata as m; print(*m.metadata('sqlatch').get_all('Provides-Extra'))",
        cwd=tmp_path,
    )
    assert set(re.findall(r"^\| `(\w+)`", shown, re.MULTILINE)) == set(extras.split())


def test_urllib3_is_all_that_comes_with_it(bare: Environment, tmp_path: Path) -> None:
    printed = bare.python(
        "import importlib.metadata as m; print(*sorted(d.name for d in m.distributions()))",
        cwd=tmp_path,
    )

    assert printed.split() == ["sqlatch", "urllib3"]


NAMES = f"from importlib import import_module as load\nfor name in {NAMESAKES}: load(name).MINE\n"
"""Load a project's own packages, so that nothing of the same name can be loaded behind them."""


def test_the_client_works_beside_packages_of_the_service_s_names(
    bare: Environment, namesakes: Path, url: str
) -> None:
    printed = bare.python(
        f"{NAMES}import sqlatch\n"
        f"client = sqlatch.connect('{url}/main')\n"
        "client.execute('CREATE TABLE t AS SELECT 1 AS n')\n"
        "print(client.query('SELECT n FROM t').rows)",
        cwd=namesakes,
    )

    assert printed == "[(1,)]\n"


def test_dbapi_works_beside_packages_of_the_service_s_names(
    bare: Environment, namesakes: Path, credentials: dict[str, str]
) -> None:
    code, printed = printing("sqlalchemy.md", "DB-API")

    assert bare.python(f"{NAMES}{code}", cwd=namesakes, **credentials) == printed


def test_a_lease_works_beside_packages_of_the_service_s_names(
    full: Environment, namesakes: Path
) -> None:
    printed = full.python(
        f"{NAMES}from pkgutil import iter_modules\n"
        "import sqlatch.locking\n"
        "from sqlatch.locking.tables import open_table\n"
        "for module in iter_modules(sqlatch.locking.__path__, 'sqlatch.locking.'):\n"
        "    load(module.name)\n"
        "for address in ('dynamodb:leases', 'sqlite:leases'):\n"
        "    print(type(open_table(address)).__module__)",
        cwd=namesakes,
        **CREDENTIALS,
    )

    assert printed == "sqlatch.locking.dynamodb\nsqlatch.locking.sqlite\n"


def test_the_examples_of_the_client_page_run_without_boto3(
    bare: Environment, tmp_path: Path, url: str
) -> None:
    code = [block for block in blocks("client.md", "python") if "lambda://" not in block]
    (first,) = blocks("../sqlatch/README.md", "python")

    bare.python("\n".join(code).replace(HERE, url), cwd=tmp_path)
    printed = bare.python(first.replace(HERE, url), cwd=tmp_path)

    assert len(code) >= 4
    assert printed == "[('hello',)]\n"


def test_the_example_of_a_direct_invoke_runs_with_boto3(
    full: Environment, tmp_path: Path, lambda_api: LambdaServer
) -> None:
    (code,) = [block for block in blocks("client.md", "python") if "lambda://" in block]

    printed = full.python(
        f"import sqlatch\n{code}",
        cwd=tmp_path,
        AWS_ENDPOINT_URL_LAMBDA=lambda_api.url,
        **CREDENTIALS,
    )

    assert printed == "ok\n"


def printing(page: str, heading: str) -> tuple[str, str]:
    """The first example below a heading, and what the page says that it prints."""
    text = (ROOT / "docs" / page).read_text().split(f"# {heading}\n", 1)[1]
    found = re.search(
        r"^```python\n(.*?)^```\n\n```text\n(.*?)^```", text, re.DOTALL | re.MULTILINE
    )
    assert found is not None
    return found[1], found[2]


def test_the_example_of_dbapi_runs_with_nothing_else(
    bare: Environment, tmp_path: Path, credentials: dict[str, str]
) -> None:
    code, printed = printing("sqlalchemy.md", "DB-API")

    assert bare.python(code, cwd=tmp_path, **credentials) == printed


@pytest.mark.parametrize("is_registered", [True, False])
def test_the_example_of_sqlalchemy_runs(
    alchemy: Environment, tmp_path: Path, credentials: dict[str, str], *, is_registered: bool
) -> None:
    """Without its line that registers the dialect too: the wheel has told SQLAlchemy."""
    code, printed = printing("sqlalchemy.md", "SQLAlchemy and DB-API")
    if not is_registered:
        code = re.sub(r"^.*\bregistry\b.*\n", "", code, flags=re.MULTILINE)
        assert "registry" not in code

    assert alchemy.python(code, cwd=tmp_path, **credentials) == printed


def test_the_examples_of_a_sqlite_file_run(bare: Environment, tmp_path: Path, url: str) -> None:
    with closing(sqlite3.connect(tmp_path / "app.sqlite3")) as source:
        source.executescript("CREATE TABLE t (n); INSERT INTO t VALUES (1), (2)")

    printed = [
        bare.python(code, cwd=tmp_path, SQLATCH_URL=f"{url}/app")
        for code in blocks("migrating-from-sqlite.md", "python")
    ]

    assert printed == ["[('ok',)]\n[]\n", "", "ok\nt 2 rows\n"]


def test_the_commands_of_the_tokens_page_run(signing: Environment, tmp_path: Path) -> None:
    install, *commands = blocks("tokens.md", "sh")[0].splitlines()
    assert install == 'pip install "$(echo dist/sqlatch-*.whl)[cli,tokens]"'

    printed = signing.run(["bash", "-euc", "\n".join(commands)], cwd=tmp_path)

    assert printed.count(".") == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["token.key", "token.pub"]


def test_a_token_without_its_extra_says_what_to_install(full: Environment, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=re.escape("pip install 'sqlatch[cli,tokens]'")):
        full.run([str(full.bin / "sqlatch"), "token", "key"], cwd=tmp_path)


def test_a_direct_invoke_without_boto3_says_what_to_install(
    bare: Environment, tmp_path: Path
) -> None:
    printed = bare.python(
        "import sqlatch\n"
        "try: sqlatch.connect('lambda://f/main')\n"
        "except sqlatch.failures.BadUrl as error: print(error)",
        cwd=tmp_path,
    )

    assert "pip install sqlatch[aws]" in printed


def test_the_command_without_its_extra_says_what_to_install(
    bare: Environment, tmp_path: Path
) -> None:
    with pytest.raises(AssertionError, match=re.escape("pip install 'sqlatch[cli]'")):
        bare.run([str(bare.bin / "sqlatch"), "health"], cwd=tmp_path)


def test_the_commands_of_the_command_line_page_run(
    full: Environment, tmp_path: Path, url: str
) -> None:
    script = "set -euo pipefail\n" + "\n".join(blocks("command-line.md", "sh"))

    full.run(["bash", "-c", script.replace(HERE, url)], cwd=tmp_path, HOME=str(tmp_path))

    assert (tmp_path / "main.sql").read_text().startswith("PRAGMA foreign_keys")


def test_the_command_invokes_a_function_directly(
    full: Environment, tmp_path: Path, lambda_api: LambdaServer
) -> None:
    def sqlatch(*arguments: str) -> str:
        command = [str(full.bin / "sqlatch"), *arguments]
        return full.run(
            command, cwd=tmp_path, SQLATCH_URL=f"lambda://{FUNCTION}/main",
            AWS_ENDPOINT_URL_LAMBDA=lambda_api.url, **CREDENTIALS,
        )  # fmt: skip

    (tmp_path / "t.csv").write_text("n\n1\n2\n")

    assert sqlatch("load", "--create", "t.csv") == "2 rows loaded\n"
    assert sqlatch("query", "-o", "csv", "SELECT sum(n) AS n FROM t") == "n\n3\n"
