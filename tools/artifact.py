"""The artifact that Lambda runs: packed for one processor and one Python, and pinned to them.

    python -m tools.artifact build    through `sam build`; prints the sizes
    python -m tools.artifact pack     called back by `sam build`, once for each function

It is built for the processor ARCHITECTURE (arm64 unless set, or x86_64) and the Python
RUNTIME_PYTHON (3.13 unless set) of the environment; with --here for this machine and this Python.
With VECTORS=1 it has sqlite-vec, which the service loads where SQLATCH_VECTORS is true.
The functions of one template get the same artifact: their dependencies are installed once, into
build/, and copied.
"""

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

SAM = ".venv-sam/bin/sam"

REQUIREMENTS = Path("requirements/service.txt")
"""boto3 is not among them: the runtime brings it, no request loads it, and with botocore it is
larger than all the rest."""

VECTORS = Path("requirements/vectors.txt")

ROOMS = ("events", "handler", "hrana", "locking", "sqlexec", "storage", "sqlatch/kernel")
PAGE = Path("sqlatch/kernel/page")
"""The files of the console."""
LEFT_OUT = ("handler/local*.py",)
"""The server for local use does not run on Lambda. The rest of `sqlatch` is the client, which the
service never imports: only its `__init__.py` is packed beside the kernel."""

BYTES_MAX = 45 * 1024 * 1024
"""A larger artifact starts slower. 15 MB are the libraries that check tokens, and 5 MB those that
compress and check the records of the log, most of that for debuggers."""

MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
ELF_MACHINES = {"arm64": 183, "x86_64": 62}
ELF_64 = b"\x7fELF\x02"
PLATFORMS = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")
"""python3.13 on Lambda is Amazon Linux 2023 with glibc 2.34. The newest tag comes first: some
wheels exist only for it."""

UNUSED = ("bin", "apsw/sqlite_extra_binaries", "cffi", "pycparser*", "lz4/frame")
"""sqlite_extra_binaries are loadable extensions and tools, 13 MB that the service refuses to load.
cffi and pycparser make bindings; of them cryptography needs only _cffi_backend, which stays. The
records of the log are made with lz4/block."""

KEPT_OF_DIST_INFO = ("METADATA", "LICENSE*", "LICENCE*")
"""Amazon Inspector and pip-audit learn from METADATA what is installed."""

_ARCHITECTURE = re.compile(
    r"(?<=\n)(  Architecture:\n(?:    .*\n)*?)    AllowedValues:\n(?:    - .*\n)+    Default: .*\n"
)


class WrongMachine(Exception):
    """A library is not for the processor that its wheel is named for."""


class NotPinned(Exception):
    """The built template has no parameter Architecture of the known shape."""


def build(template: Path, build_dir: Path, architecture: str, python: str) -> None:
    """Build the functions of a template, print their sizes, and pin the built template."""
    subprocess.run(
        [SAM, "build", "--template", template, "--build-dir", build_dir, "--build-in-source",
         "--parameter-overrides", f"Architecture={architecture}"],
        env={**os.environ, "ARCHITECTURE": architecture, "RUNTIME_PYTHON": python},
        check=True,
    )  # fmt: skip
    built = build_dir / "template.yaml"
    built.write_text(pinned(built.read_text(), architecture))
    for function in sorted(path for path in build_dir.iterdir() if path.is_dir()):
        size = sum(path.stat().st_size for path in function.rglob("*") if path.is_file())
        sys.stdout.write(
            f"{function.name} ({architecture}, Python {python}): {size / 2**20:.1f} MB unpacked\n"
        )
        if size > BYTES_MAX:
            sys.exit(f"{function.name} has {size} bytes: the limit is {BYTES_MAX}")


def own_architecture() -> str:
    """This machine's processor, as Lambda names it."""
    return "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"


def pinned(template: str, architecture: str) -> str:
    """A built template that can be deployed for the processor it was built for, and no other.

    CloudFormation checks parameters before it changes anything.
    """
    only = f"    AllowedValues:\n    - {architecture}\n    Default: {architecture}\n"
    text, count = _ARCHITECTURE.subn(rf"\g<1>{only}", template)
    if count != 1:
        raise NotPinned("the built template has no parameter Architecture with a list of values")
    return text


def pack(target: Path, architecture: str, python: str) -> None:
    """Put what Lambda runs into a directory: dependencies, code, bytecode."""
    shutil.rmtree(target, ignore_errors=True)
    locked = [REQUIREMENTS, *([VECTORS] if os.environ.get("VECTORS") == "1" else [])]
    shutil.copytree(_dependencies(architecture, python, locked), target)
    for source in _code():
        copy = target / source
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
    _compile(target, python)


def _code() -> Iterator[Path]:
    yield Path("sqlatch/__init__.py")
    for room in ROOMS:
        for path in sorted(Path(room).rglob("*.py")):
            if not any(fnmatch(str(path), pattern) for pattern in LEFT_OUT):
                yield path
    yield from sorted(PAGE.iterdir())


def _dependencies(architecture: str, python: str, locked: Sequence[Path]) -> Path:
    """The directory of the dependencies, installed if they are not, or others are asked for now."""
    names = "-".join(path.stem for path in locked)
    target = Path("build") / f"dependencies-{names}-{architecture}-{python}"
    stamp = target.with_suffix(f"{target.suffix}.stamp")
    wanted = b"".join(map(Path.read_bytes, locked))
    if stamp.exists() and stamp.read_bytes() == wanted:
        return target
    shutil.rmtree(target, ignore_errors=True)
    platforms = [f"{tag}_{MACHINES[architecture]}" for tag in PLATFORMS]
    subprocess.run(
        # --no-compile: this machine's Python need not be Lambda's.
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         "--no-compile", "--require-hashes", "--no-deps", "--only-binary=:all:",
         "--implementation", "cp", "--python-version", python,
         *(word for name in platforms for word in ("--platform", name)),
         *(word for path in locked for word in ("--requirement", path)), "--target", target],
        check=True,
    )  # fmt: skip
    check_machine(target, architecture)
    for pattern in UNUSED:
        for path in target.glob(pattern):
            shutil.rmtree(path)
    for path in sorted(target.rglob("*"), reverse=True):
        if path.is_dir() and path.name in ("__pycache__", "tests"):
            shutil.rmtree(path)
        elif path.is_file() and not _is_kept(path):
            path.unlink()
    stamp.write_bytes(wanted)
    return target


def check_machine(directory: Path, architecture: str) -> None:
    """WrongMachine if a library is not for a processor: the tag of a wheel is what its maker says.

    sqlite-vec had a wheel for arm64 whose library was for 32 bits.
    """
    for path in sorted(directory.rglob("*.so*")):
        with path.open("rb") as library:
            head = library.read(20)
        machine = int.from_bytes(head[18:20], "little")
        if not head.startswith(ELF_64) or machine != ELF_MACHINES[architecture]:
            raise WrongMachine(
                f"{path.relative_to(directory)} is not a library for {architecture}: its ELF"
                f" machine is {machine}, not {ELF_MACHINES[architecture]}"
            )


def _is_kept(path: Path) -> bool:
    if any(part.endswith(".dist-info") for part in path.parts):
        return any(fnmatch(path.name, pattern) for pattern in KEPT_OF_DIST_INFO)
    return path.suffix != ".pyi"


def _compile(target: Path, python: str) -> None:
    """Compile with Lambda's Python where it is here.

    Lambda cannot keep what it compiles, so without bytecode in the artifact every cold start
    compiles every import again: 240 ms of processor time against 100.
    """
    for compiler in (sys.executable, ".venv/bin/python", f"python{python}"):
        if _version_of(compiler) == python:
            subprocess.run(
                [compiler, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash",
                 "-s", target, "-p", "/var/task", target],
                check=True,
            )  # fmt: skip
            return
    sys.stdout.write(f"no Python {python} here: not precompiled, cold starts are slower\n")


def _version_of(python: str) -> str | None:
    asked = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        return subprocess.run(
            [python, "-c", asked], capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command."""
    parser = argparse.ArgumentParser(prog="python -m tools.artifact", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("build", help="build the functions of a template")
    command.add_argument("--template", type=Path, default=Path("template.yaml"))
    command.add_argument("--build-dir", type=Path, default=Path(".aws-sam/build"))
    command.add_argument("--here", action="store_true", help="for this machine and this Python")
    commands.add_parser("pack", help="pack one function, for `sam build`")
    options = parser.parse_args(arguments)
    if options.command == "build" and options.here:
        architecture, python = own_architecture(), _version_of(sys.executable) or ""
    else:
        architecture = os.environ.get("ARCHITECTURE", "arm64")
        python = os.environ.get("RUNTIME_PYTHON", "3.13")
    if options.command == "build":
        build(options.template, options.build_dir, architecture, python)
    else:
        pack(Path(os.environ["ARTIFACTS_DIR"]), architecture, python)


if __name__ == "__main__":
    main()
