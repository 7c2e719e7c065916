"""Pin every dependency: requirements/GROUP.txt for each group of pyproject.toml, with hashes.

python -m tools.lock [GROUP ...]     all of them, to their newest versions, or only those named
"""

import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

OLDEST_PYTHON = "3.11"
OPTIONS = {
    "data": ("--no-deps", "--python-version", OLDEST_PYTHON),
    "django6": ("--python-version", "3.12"),
}
NOT_LOCKED = ("local", "test")
"""Groups that stand only in other groups."""


def lock(group: str) -> None:
    """Write the lock file of one group, with the newest versions that it permits."""
    uv = Path(sys.executable).with_name("uv")
    subprocess.run(
        [uv, "pip", "compile", "--group", f"pyproject.toml:{group}", "--universal",
         "--generate-hashes", "--no-header", "--quiet", "--upgrade",
         *OPTIONS.get(group, ("--python-version", OLDEST_PYTHON)),
         "--output-file", Path("requirements", f"{group}.txt")],
        check=True,
    )  # fmt: skip


def groups(pyproject: str) -> list[str]:
    """The groups of a pyproject.toml that have lock files."""
    return [
        name for name in tomllib.loads(pyproject)["dependency-groups"] if name not in NOT_LOCKED
    ]


def main(names: Sequence[str]) -> None:
    """Lock the named groups, or all."""
    for group in names or groups(Path("pyproject.toml").read_text()):
        lock(group)


if __name__ == "__main__":
    main(sys.argv[1:])
