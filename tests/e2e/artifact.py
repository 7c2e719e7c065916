"""The files of an instance on Lambda: the built artifact, and the runtime beside it."""

import sys
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.cloudformation import load

ROOT = Path(__file__).parents[2]
BUILT = ROOT / ".aws-sam" / "e2e"
BESIDE = Path(__file__).parent / "beside"
"""Handlers of the tests' own, which lie beside the artifact and call the one in it."""

CLIENT = ("awslambdaric",)
SDK = ("boto3",)


@dataclass(frozen=True, slots=True)
class Artifact:
    """One function as it was built: its directory and the handler that the template names."""

    directory: Path
    handler: str


def built(function: str) -> Artifact:
    """The artifact of a function of the template; a test without one says how it is made."""
    if not (BUILT / "template.yaml").exists():
        pytest.fail("there is no artifact: `make e2e` builds it and runs these tests")
    resource = load(str(BUILT / "template.yaml"))["Resources"][function]["Properties"]
    return Artifact(BUILT / resource["CodeUri"], resource["Handler"])


def link_runtime(directory: Path, *names: str) -> Path:
    """A directory with these distributions, what they need, and nothing else: as links."""
    wanted, linked = list(names), set[str]()
    directory.mkdir()
    while wanted:
        found = distribution(wanted.pop())
        if found.name in linked:
            continue
        linked.add(found.name)
        for top in {file.parts[0] for file in found.files or () if file.parts[0] != ".."}:
            link = directory / top
            if top != "__pycache__" and not link.exists():
                link.symlink_to(Path(str(found.locate_file(top))))
        wanted += [
            needed.name
            for needed in map(Requirement, found.requires or ())
            if needed.marker is None or needed.marker.evaluate({"extra": ""})
        ]
    return directory


def command(handler: str) -> list[str]:
    """AWS's runtime client; without `site`, so that no package of this environment is in reach."""
    return [sys.executable, "-S", "-m", "awslambdaric", handler]
