"""Runs the tests that live in the Django project beside, in a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent / "project"
ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.django


def test_the_project_passes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]

    run = subprocess.run(
        [*command, f"--confcutdir={PROJECT}", str(PROJECT)],
        cwd=ROOT,
        env={**os.environ, "SHOP_DIRECTORY": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
