"""`.ci/run` with a `make` of the test's own: it says what has not passed, and never hides it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cloudformation import ROOT

SUMMARY_BYTES_MAX = 12_000
KILL_THE_CALLER = "kill -9 $PPID"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    return tmp_path


def run(checkout: Path, **endings: str) -> subprocess.CompletedProcess[str]:
    """Run it where each call of `make` succeeds, but for those whose ending is given."""
    cases = "\n".join(f"{target}) {ending} ;;" for target, ending in endings.items())
    make = checkout / "make"
    make.write_text(f'#!/bin/bash\necho "$*" >>{checkout}/called\ncase $1 in\n{cases}\nesac\n')
    make.chmod(0o755)
    return subprocess.run(
        [checkout / ".ci" / "run"],
        env={**os.environ, "PATH": f"{checkout}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def called(checkout: Path) -> set[str]:
    return set((checkout / "called").read_text().splitlines())


def test_it_passes_when_every_call_has_passed(checkout: Path) -> None:
    ran = run(checkout)

    assert ran.returncode == 0
    assert called(checkout) == {
        "build", "check", "clients", "console", "django", "django-suite QUICK=1", "e2e",
        "faults SLOW=1", "nfs", "test", "wheel",
    }  # fmt: skip
    assert ran.stdout.count(": ok in ") == len(called(checkout))


def test_what_failed_is_shown_last_and_the_others_are_called_all_the_same(checkout: Path) -> None:
    line = "echo 'FAILED tests/test_one.py::test_one - AssertionError'"
    long = f"yes 'a line' | head -n 20000; {line}; exit 2"

    ran = run(checkout, nfs=long, e2e=long)

    assert ran.returncode == 1
    assert len(called(checkout)) == 11
    _calls, _first, shown = ran.stdout.partition("== make nfs has not passed")
    assert len(shown) < SUMMARY_BYTES_MAX
    assert shown.splitlines()[-3:] == [
        "== not passed: nfs; e2e; (the logs are in build/ci)",
        *["FAILED tests/test_one.py::test_one - AssertionError"] * 2,
    ]


def test_calls_that_were_never_made_have_not_passed(checkout: Path) -> None:
    ran = run(checkout, nfs=KILL_THE_CALLER)

    assert ran.returncode == 1
    assert "make nfs has not passed" in ran.stdout
    assert "nfs; " in ran.stdout.splitlines()[-1]
