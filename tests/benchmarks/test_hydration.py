"""The measurement of first answers on large databases, on a small one."""

import subprocess
import sys

from benchmarks.hydration import QUESTIONS
from tests.cloudformation import ROOT


def test_each_question_is_asked_by_a_process_without_a_copy() -> None:
    command = [sys.executable, "-m", "benchmarks.hydration", "1"]

    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout

    rows = [row.split(" of 1 MB ") for row in printed.splitlines()[1:]]
    assert [question.strip() for question, _figures in rows] == list(QUESTIONS)
    moved_mb = [float(figures.split()[2]) for _question, figures in rows]
    assert all(1 <= each < 2 for each in moved_mb), "a small snapshot is fetched whole"
