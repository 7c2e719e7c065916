"""Runs the tests that live in the Django project beside, a process for each file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent / "project"
ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.django


@pytest.mark.parametrize("file", sorted(path.name for path in PROJECT.glob("test_*.py")))
def test_the_project_passes(file: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]

    run = subprocess.run(
        [*command, f"--confcutdir={PROJECT}", str(PROJECT / file)],
        cwd=ROOT,
        env={**os.environ, "SHOP_DIRECTORY": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
