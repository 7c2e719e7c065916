"""`make release`: build and check everything that a release consists of. It uploads nothing.

It stops at the first thing that is wrong, with one line that says what to do.
"""

import hashlib
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sqlatch import __version__
from tools import artifact

DIST = Path("dist")
TWINE = Path(".venv-release/bin/twine")

_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)

NEXT = """
sqlatch {version} is ready. What is left to do:

    git tag -a v{version} -m "sqlatch {version}" && git push origin v{version}
    {twine} upload --repository-url URL {files}
    sam deploy

The package is on no public index. URL is your own index (AWS CodeArtifact, devpi and others have
one); without an index, hand out the wheel, which pip installs from a path or an https:// address.
docs/runbook.md says how a new version is rolled out.
"""


class NotReady(Exception):
    """The tree cannot be released; the message says why, and the next step."""


def check_tree(status: str) -> None:
    """Refuse a working tree with changes, from what `git status --porcelain` prints."""
    if status.strip():
        raise NotReady(f"the working tree has changes; commit or remove them:\n{status.rstrip()}")


def check_version(version: str, changes: str, tags: Sequence[str]) -> None:
    """Refuse a version that CHANGELOG.md does not describe, or that is released already."""
    for section in re.split(r"(?=^## )", changes, flags=re.MULTILINE):
        if section.startswith("## Unreleased") and section.partition("\n")[2].strip():
            raise NotReady(
                "CHANGELOG.md has changes under Unreleased; "
                f"move them under a new heading: ## {version} - YYYY-MM-DD"
            )
    headings = [one for one in _HEADING.findall(changes) if one != "Unreleased"]
    newest = headings[0].partition(" - ")[0] if headings else "none"
    if newest != version:
        raise NotReady(
            f"the newest version of CHANGELOG.md is {newest} and sqlatch.__version__ is {version}; "
            "make them the same"
        )
    if f"v{version}" in tags:
        raise NotReady(f"the tag v{version} is there already; raise sqlatch.__version__")


def build(version: str) -> list[Path]:
    """Build sdist and wheel, the wheel out of the sdist, and check both; return their paths."""
    for path in DIST.glob("*"):
        path.unlink()
    python = Path(sys.executable)
    _run(python.with_name("uv"), "build", "--quiet", "--python", python, "--out-dir", DIST)
    files = [DIST / f"sqlatch-{version}-py3-none-any.whl", DIST / f"sqlatch-{version}.tar.gz"]
    missing = [str(file) for file in files if not file.exists()]
    if missing:
        raise NotReady(f"the build made no {', '.join(missing)}")
    _run(TWINE, "check", "--strict", *files)
    return files


def main() -> None:
    """Check, build, and say what is left to do."""
    try:
        check_tree(_output("git", "status", "--porcelain"))
        changes = Path("CHANGELOG.md").read_text()
        check_version(__version__, changes, _output("git", "tag", "--list").split())
        files = build(__version__)
        artifact.main(["build"])
    except NotReady as reason:
        sys.exit(f"not ready for a release: {reason}")
    for file in files:
        sys.stdout.write(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file}\n")
    names = " ".join(map(str, files))
    sys.stdout.write(NEXT.format(version=__version__, twine=TWINE, files=names))


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _run(*command: str | Path) -> None:
    if subprocess.run(command, check=False).returncode:
        raise NotReady(f"this failed: {' '.join(map(str, command))}")


if __name__ == "__main__":
    main()
