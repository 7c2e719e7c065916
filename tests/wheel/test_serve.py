"""The wheel alone, with the extra `server`: a served database, and nothing of it in a caller."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.local_server import exported
from tests.wheel.conftest import NAMESAKES, ROOT, Environment, installed


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return installed(tmp_path_factory.mktemp("server") / "venv", "[cli,server]")


def test_a_project_with_packages_of_the_service_s_names_is_served(
    server: Environment, namesakes: Path
) -> None:
    """From a directory whose own packages would end a worker that loaded one of them."""
    for name in NAMESAKES:
        (namesakes / name / "__init__.py").write_text("raise SystemExit('not the service')\n")
    with subprocess.Popen(
        [server.bin / "sqlatch", "serve", "--port", "0"],
        cwd=namesakes,
        env={"PATH": f"{server.bin}:/usr/bin:/bin", "PYTHONPATH": str(namesakes)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            variables = exported(process.stdout)
            for sql in ("CREATE TABLE t AS SELECT 7 AS n", "SELECT n FROM t"):
                command = [str(server.bin / "sqlatch"), "query", "-o", "csv", sql]
                printed = server.run(command, cwd=namesakes, **variables)
        finally:
            process.terminate()

    assert printed == "n\n7\n"
    assert process.returncode == 0


def test_the_wheel_has_every_module_of_the_service(server: Environment, tmp_path: Path) -> None:
    printed = server.python("import sqlatch; print(sqlatch.__path__[0])", cwd=tmp_path)
    packed = Path(printed.strip(), "_service")

    for room in NAMESAKES:
        modules = {path.relative_to(ROOT) for path in (ROOT / room).rglob("*.py")}
        assert modules == {path.relative_to(packed) for path in (packed / room).rglob("*.py")}


def test_the_server_without_its_extra_says_what_to_install(
    full: Environment, tmp_path: Path
) -> None:
    with pytest.raises(AssertionError, match=re.escape("pip install 'sqlatch[cli,server]'")):
        full.run([str(full.bin / "sqlatch"), "serve"], cwd=tmp_path)


def test_the_module_is_the_command(full: Environment, tmp_path: Path) -> None:
    printed = full.run([str(full.bin / "python"), "-m", "sqlatch", "--version"], cwd=tmp_path)

    assert printed == full.run([str(full.bin / "sqlatch"), "--version"], cwd=tmp_path)
