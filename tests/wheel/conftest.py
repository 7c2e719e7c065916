"""The wheel in environments that have nothing else, and the service beside them."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sqlatch.tokens import new_key, sign
from tests.command.conftest import ROOT, serving

UV = Path(sys.executable).with_name("uv")
NAMESAKES = ("events", "handler", "hrana", "locking", "sqlexec", "storage")
"""Names of the service's packages, which a project may have too."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment with the wheel in it."""

    directory: Path

    @property
    def bin(self) -> Path:
        return self.directory / "bin"

    def python(self, code: str, *, cwd: Path, **variables: str) -> str:
        """Run Python where nothing of the repository can be imported, and return the output."""
        return self.run([str(self.bin / "python"), "-c", code], cwd=cwd, **variables)

    def run(self, command: list[str], *, cwd: Path, **variables: str) -> str:
        done = subprocess.run(
            command,
            cwd=cwd,
            env={"PATH": f"{self.bin}:/usr/bin:/bin", **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def installed(directory: Path, extras: str = "") -> Environment:
    """A new environment, with the wheel that `make wheel` built and what it asks for."""
    (wheel,) = (ROOT / "dist").glob("sqlatch-*.whl")
    subprocess.run([UV, "venv", "-q", "--python", sys.executable, directory], check=True)
    target: list[str | Path] = ["--python", directory / "bin" / "python"]
    subprocess.run([UV, "pip", "install", "-q", *target, f"{wheel}{extras}"], check=True)
    return Environment(directory)


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return installed(tmp_path_factory.mktemp("bare") / "venv")


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return installed(tmp_path_factory.mktemp("full") / "venv", "[aws,cli]")


@pytest.fixture(scope="session")
def alchemy(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return installed(tmp_path_factory.mktemp("alchemy") / "venv", "[sqlalchemy]")


@pytest.fixture(scope="session")
def signing(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return installed(tmp_path_factory.mktemp("signing") / "venv", "[cli,tokens]")


@pytest.fixture(scope="session")
def django(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return installed(tmp_path_factory.mktemp("django") / "venv", "[django]")


@pytest.fixture
def namesakes(tmp_path: Path) -> Path:
    """A project whose own packages have the names of the service's."""
    project = tmp_path / "project"
    for name in NAMESAKES:
        (project / name).mkdir(parents=True)
        (project / name / "__init__.py").write_text(f"MINE = {name!r}\n")
    return project


@pytest.fixture
def credentials(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The environment of a client with a token, and a server that takes it."""
    private, public = new_key()
    monkeypatch.setenv("SQLATCH_TOKEN_KEYS", public)
    token = sign(private, access="rw", databases=["main"], lifetime_s=600)
    with serving(directory) as url:
        yield {"SQLATCH_URL": f"{url}/main/", "SQLATCH_TOKEN": token}


@pytest.fixture
def url(directory: Path) -> Iterator[str]:
    with serving(directory) as url:
        yield url
