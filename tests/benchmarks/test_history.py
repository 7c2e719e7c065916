"""The measurement of reads and branches of the past, on a small database."""

import subprocess
import sys

from tests.cloudformation import ROOT


def test_moments_are_read_and_a_branch_is_made() -> None:
    command = [sys.executable, "-m", "benchmarks.history", "1"]

    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout

    figures = printed.splitlines()[1].split()
    assert figures[:2] == ["1", "MB"]
    assert len(figures) == 7
