"""The clients as their users have them, installed by `make clients`, and a server for them."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.local_server import serving

collect_ignore = ["sqlalchemy_suite"]
"""Run by SQLAlchemy's own plugin, in a process of its own."""

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "clients"
PYTHON = ROOT / ".venv-clients" / "bin" / "python"
TIMEOUT_S = 60

Run = Callable[..., str]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[dict[str, str]]:
    """`sqlatch serve` in an empty directory; the environment of its clients."""
    databases = str(tmp_path / "databases")
    settings = {name: value for name, value in os.environ.items() if "SQLATCH" not in name}
    with (
        (tmp_path / "log").open("w") as log,
        serving("--databases", databases, environment=settings, log=log) as exported,
    ):
        yield settings | exported


@pytest.fixture
def run(server: dict[str, str], tmp_path: Path) -> Run:
    """Run a program of a language against the server; what it prints."""

    def run(language: str, program: str) -> str:
        file = _file(language, tmp_path)
        file.write_text(program)
        commands = {"js": ["node"], "python": [str(PYTHON)], "sh": ["bash", "-eu"]}
        done = subprocess.run(
            [*commands[language], str(file)],
            env=server | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    return run


def _file(language: str, tmp_path: Path) -> Path:
    """Node looks for packages beside the program."""
    if language == "js":
        directory = tmp_path / "js"
        directory.mkdir(exist_ok=True)
        if not (directory / "node_modules").exists():
            (directory / "node_modules").symlink_to(BUILD / "node_modules")
        return directory / "program.mjs"
    return tmp_path / f"program.{'py' if language == 'python' else 'sh'}"
