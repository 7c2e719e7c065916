"""The virtual environments of the commands, and the sources that some tests run.

    python -m tools.environments NAME ...     create each, or bring it up to date

Each leaves a stamp with the hash of what it was made from: the same lock files install nothing.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

PIP_OPTIONS = (
    "--quiet",
    "--quiet",
    "--disable-pip-version-check",
    "--require-hashes",
    "--no-deps",
    "--no-compile",
)
"""The lock files name every package there is to install, so pip has nothing to resolve."""

DJANGO_6_PYTHON = (3, 12)
"""Django 6 needs it."""


@dataclass(frozen=True, slots=True)
class Made:
    """A directory that is made from some files: its stamp, those files, and the way to make it."""

    stamp: Path
    sources: tuple[Path, ...]
    make: Callable[[], None]

    def bring_up_to_date(self) -> None:
        """Make it, unless it was made from the same sources already."""
        wanted = hashlib.sha256(b"\0".join(map(Path.read_bytes, self.sources))).hexdigest()
        if self.stamp.exists() and self.stamp.read_text() == wanted:
            return
        sys.stdout.write(f"installing into {self.stamp.parent} ...\n")
        sys.stdout.flush()
        self.stamp.unlink(missing_ok=True)
        self.make()
        self.stamp.parent.mkdir(parents=True, exist_ok=True)
        self.stamp.write_text(wanted)


def _environment(
    directory: str, *groups: str, python: Callable[[], str] = lambda: sys.executable
) -> Made:
    """A virtual environment with the lock files of its groups."""
    locked = tuple(Path("requirements", f"{group}.txt") for group in groups)
    return Made(
        Path(directory, f"{groups[0]}.installed"),
        locked,
        partial(_install, Path(directory), locked, python),
    )


def _install(directory: Path, locked: Sequence[Path], python: Callable[[], str]) -> None:
    if not (directory / "bin" / "python").exists():
        _run([python(), "-m", "venv", directory])
    for file in locked:
        _run([directory / "bin" / "pip", "install", *PIP_OPTIONS, "-r", file])


def _source(directory: str, environment: str, group: str) -> Made:
    """The source of the Django that is locked, by its hash: its tests are not in the wheel."""
    locked = Path("requirements", f"{group}.txt")
    pip = Path(environment, "bin", "pip")
    return Made(
        Path(directory, "downloaded"), (locked,), partial(_download, Path(directory), pip, locked)
    )


def _download(directory: Path, pip: Path, locked: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    _run([pip, "download", *PIP_OPTIONS, "--no-binary", "django", "-d", directory, "-r", locked])


def _node_modules(directory: Path, package: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(package / name, directory / name)
    _run(["npm", "ci", "--prefix", directory, "--no-audit", "--no-fund", "--loglevel=error"])


def _python_for_django_6() -> str:
    """The Python that PYTHON_6 names, or the first one that is new enough."""
    pyenv = sorted(Path.home().glob(".pyenv/versions/3.1*/bin/python3"), reverse=True)
    candidates = [os.environ.get("PYTHON_6", ""), "python3.13", "python3.12", *map(str, pyenv)]
    for python in filter(None, candidates):
        if _version_of(python) >= DJANGO_6_PYTHON:
            return python
    sys.exit("Django 6 needs Python 3.12 or later, and none was found: name one with PYTHON_6=...")


def _version_of(python: str) -> tuple[int, ...]:
    """Return the version of a Python; () if none has this name."""
    command = [python, "-c", "import sys; print(*sys.version_info[:2])"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ()
    return tuple(map(int, answer.split()))


def _run(command: Sequence[str | Path]) -> None:
    try:
        done = subprocess.run(command, check=False)
    except FileNotFoundError:
        sys.exit(f"{command[0]} is needed and was not found")
    if done.returncode:
        sys.exit(f"failed: {' '.join(map(str, command))}")


_CLIENTS = Path("tests/clients")

ENVIRONMENTS = {
    "dev": _environment(".venv", "dev", "data"),
    "demo": _environment(".venv", "demo", "data"),
    "django": _environment(".venv", "django"),
    # The others pin versions of their own.
    "bench": _environment(".venv-bench", "bench", "data"),
    "checkov": _environment(".venv-checkov", "checkov"),
    "clients": _environment(".venv-clients", "clients"),
    "django6": _environment(".venv-django6", "dev", "django6", "data", python=_python_for_django_6),
    "release": _environment(".venv-release", "release"),
    "sam": _environment(".venv-sam", "sam"),
    "django-source": _source("build/django/5", ".venv", "django"),
    "django6-source": _source("build/django/6", ".venv-django6", "django6"),
    "npm": Made(
        Path("build/clients/installed"),
        (_CLIENTS / "package.json", _CLIENTS / "package-lock.json"),
        partial(_node_modules, Path("build/clients"), _CLIENTS),
    ),
}


def main(names: Sequence[str]) -> None:
    """Bring each of the named up to date, in order."""
    for name in names:
        if name not in ENVIRONMENTS:
            sys.exit(f"no environment is named {name!r}: there are {', '.join(ENVIRONMENTS)}")
        ENVIRONMENTS[name].bring_up_to_date()


if __name__ == "__main__":
    main(sys.argv[1:])
