"""The virtual environments of the commands, and the sources that some tests run.

    python -m tools.environments NAME ...     create each, or bring it up to date

Each leaves a stamp with the hash of what it was made from: the same lock files install nothing.
pip installs uv, and uv the rest: pip takes ten times as much processor time.
"""

import ast
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

LOCKED = ("--require-hashes", "--no-deps")
"""The lock files name every package there is to install, so there is nothing to resolve."""

PIP_OPTIONS = ("--quiet", "--quiet", "--disable-pip-version-check", *LOCKED)

UV_HOME = Path(".venv-uv")
UV = UV_HOME / "bin" / "uv"
PIP = UV_HOME / "bin" / "pip"

NAMES_FOR_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
}
"""The settings of pip that say where packages come from, which a company's machine may have."""

DJANGO_6_PYTHON = (3, 12)
"""Django 6 needs it."""


@dataclass(frozen=True, slots=True)
class Made:
    """A directory that is made from some files: its stamp, those files, and the way to make it."""

    stamp: Path
    sources: tuple[Path, ...]
    make: Callable[[], None]

    def bring_up_to_date(self) -> None:
        """Make it, unless it was made from the same sources already; others wait meanwhile."""
        directory = self.stamp.parent
        directory.parent.mkdir(parents=True, exist_ok=True)
        with directory.with_name(f"{directory.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._bring_up_to_date()

    def _bring_up_to_date(self) -> None:
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
    ENVIRONMENTS["uv"].bring_up_to_date()
    if not (directory / "bin" / "python").exists():
        _run([python(), "-m", "venv", "--without-pip", directory])
    target = ("--python", directory / "bin" / "python")
    # Compiled now: where Python may write no bytecode, every process would compile it anew.
    options = ("--quiet", "--compile-bytecode", *LOCKED, *target)
    for file in locked:
        _run([UV, "pip", "install", *options, "-r", file], environment=_for_uv())


def _install_uv(locked: Path) -> None:
    _run([sys.executable, "-m", "venv", UV_HOME])
    _run([PIP, "install", *PIP_OPTIONS, "--no-compile", "-r", locked])


def _for_uv() -> dict[str, str]:
    """Return the environment of uv: where pip is configured to find packages, uv finds them too."""
    listed = subprocess.run([PIP, "config", "list"], capture_output=True, text=True, check=True)
    return {
        # Any index may have a package, as for pip: that it is the right one, its hash says.
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        **settings_for_uv(listed.stdout),
        **os.environ,
    }


def settings_for_uv(listed: str) -> dict[str, str]:
    """Translate the output of `pip config list` into the variables that uv reads."""
    settings: dict[str, str] = {}
    # As for pip, a setting of `install` overrides one of all commands, and a variable both.
    for section in ("global.", "install.", ":env:."):
        for line in listed.splitlines():
            name, _equals, value = line.removeprefix(section).partition("=")
            if line.startswith(section) and name in NAMES_FOR_UV:
                words = str(ast.literal_eval(value)).split()
                variable = NAMES_FOR_UV[name]
                settings[variable] = ("," if variable == "UV_FIND_LINKS" else " ").join(words)
    return settings


def _source(directory: str, environment: str, group: str) -> Made:
    """The source of the Django that is locked, by its hash: its tests are not in the wheel."""
    locked = Path("requirements", f"{group}.txt")
    python = Path(environment, "bin", "python")
    return Made(
        Path(directory, "downloaded"),
        (locked,),
        partial(_download, Path(directory), python, locked),
    )


def _download(directory: Path, python: Path, locked: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    options = (*PIP_OPTIONS, "--no-binary", "django", "-d", directory, "-r", locked)
    _run([PIP, "--python", python, "download", *options])


def _node_modules(directory: Path, package: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(package / name, directory / name)
    _run(["npm", "ci", "--prefix", directory, "--no-audit", "--no-fund", "--loglevel=error"])


def _debian_package(directory: Path, wanted: Path) -> None:
    """Unpack a package of Debian, which is not installed: the machine stays as it is.

    apt checks its signature. Debian keeps only the newest of a version, so that is named by a
    pattern.
    """
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    command = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download"]
    command.append(wanted.read_text().strip())
    try:
        with _apt_alone():
            if subprocess.run(command, cwd=directory, check=False).returncode:
                _run(["apt-get", "-qq", "update"])
                subprocess.run(command, cwd=directory, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        sys.exit(f"failed: {' '.join(command)} (this needs Debian 12)")
    for package in directory.glob("*.deb"):
        _run(["dpkg", "-x", package, directory])


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


def _run(command: Sequence[str | Path], *, environment: dict[str, str] | None = None) -> None:
    try:
        done = subprocess.run(command, env=environment, check=False)
    except FileNotFoundError:
        sys.exit(f"{command[0]} is needed and was not found")
    if done.returncode:
        sys.exit(f"failed: {' '.join(map(str, command))}")


def _chromium() -> None:
    """The browser of the tests, from the Debian archive, which keeps only its newest version."""
    if shutil.which("chromium") is None:
        with _apt_alone():
            _run(["apt-get", "-qq", "update"])
            _run(["apt-get", "-qq", "install", "-y", "--no-install-recommends", "chromium"])


@contextmanager
def _apt_alone() -> Iterator[None]:
    """Let nobody else who makes an environment call apt, which refuses to run twice at a time."""
    lock = Path("build/apt.lock")
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


_CLIENTS = Path("tests/clients")
_CONSOLE = Path("console")

ENVIRONMENTS = {
    "uv": Made(
        UV_HOME / "uv.installed",
        (Path("requirements/uv.txt"),),
        partial(_install_uv, Path("requirements/uv.txt")),
    ),
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
    "nginx": Made(
        Path("build/nginx/installed"),
        (_CLIENTS / "nginx.txt",),
        partial(_debian_package, Path("build/nginx"), _CLIENTS / "nginx.txt"),
    ),
    "npm": Made(
        Path("build/clients/installed"),
        (_CLIENTS / "package.json", _CLIENTS / "package-lock.json"),
        partial(_node_modules, Path("build/clients"), _CLIENTS),
    ),
    "browser": _environment(".venv", "browser"),
    "chromium": Made(Path("build/chromium/installed"), (), _chromium),
    "console": Made(
        Path("build/console/installed"),
        (_CONSOLE / "package.json", _CONSOLE / "package-lock.json"),
        partial(_node_modules, Path("build/console"), _CONSOLE),
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
