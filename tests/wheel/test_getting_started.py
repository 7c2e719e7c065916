"""The page for one's own machine, block by block, on the wheel alone in an empty directory."""

import json
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from sqlatch.kernel.version import __version__
from tests.local_server import exported
from tests.pages import free_ports
from tests.wheel.conftest import ROOT, Environment
from tests.wheel.test_serve import server as server

PAGE = (ROOT / "docs" / "getting-started.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def port() -> Iterator[str]:
    with free_ports(1) as (port,):
        yield port


@pytest.fixture
def served(server: Environment, tmp_path: Path, port: str) -> Iterator[str]:
    """What the page's command prints when it serves this directory."""
    (tmp_path / ".venv").symlink_to(server.directory)
    command = dict(BLOCKS[1:2])["sh"].strip()
    assert command == "sqlatch serve"
    with subprocess.Popen(
        [*command.split(), "--port", port], cwd=tmp_path, stdout=subprocess.PIPE, text=True,
        env={"PATH": f"{server.bin}:/usr/bin:/bin"},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            yield "".join([*up_to("sqlatch query", process.stdout)])
        finally:
            process.terminate()


def up_to(words: str, lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield line
        if words in line:
            return
    raise AssertionError("the server has ended before it was ready")


def test_the_page_runs_from_top_to_bottom(
    server: Environment, served: str, tmp_path: Path, port: str
) -> None:
    def run(language: str, code: str) -> str:
        code = code.replace("8000", port)
        command = ["bash", "-euc", code] if language == "sh" else ["python", "-c", code]
        return server.run(command, cwd=tmp_path, **variables)

    variables: dict[str, str] = {}
    (_install, _serve, prints, ask, asked, python, pythons, curl) = BLOCKS
    told = served.replace(port, "8000").replace(__version__, "VERSION").rstrip() + "\n"
    assert re.sub("TOKEN=.*", "TOKEN=TOKEN", told) == prints[1]
    assert run(*ask) == asked[1]
    variables = exported(served.splitlines())
    assert run(*python) == pythons[1]
    assert json.loads(run(*curl))["rows"] == [{"notes": 3}]


def test_what_is_installed_are_extras_of_the_wheel(server: Environment, tmp_path: Path) -> None:
    (install,) = re.findall(r"pip install (\S+ \S+)", BLOCKS[0][1])

    assert install == '"$(echo ../sqlatch/dist/sqlatch-*.whl)[cli,server]"'
    extras = server.python(
        "import importlib.metadata as m; print(*m.metadata('sqlatch').get_all('Provides-Extra'))",
        cwd=tmp_path,
    )
    assert {"cli", "server"} <= set(extras.split())


def test_every_option_is_on_the_page(server: Environment, tmp_path: Path) -> None:
    told = server.run([str(server.bin / "sqlatch"), "serve", "--help"], cwd=tmp_path)

    there = set(re.findall(r"^  (?:-\w, )?(--[\w-]+)", told, re.MULTILINE)) - {"--help"}
    assert there == set(re.findall(r"^\| `(--[\w-]+)", PAGE, re.MULTILINE))
