"""Processes of our own modules: started, spoken to over stdin and stdout, waited for."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parent.parent
TIMEOUT_S = 300


class ChildFailed(Exception):
    """A process of ours ended otherwise than it has to."""


def start(
    module: str,
    *arguments: object,
    before: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[str]:
    """A process of `benchmarks.<module>`, behind the command `before`; its stderr is ours."""
    return subprocess.Popen(
        [*before, sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def line_of(process: subprocess.Popen[str]) -> str:
    """The next line that the process prints."""
    line = _pipe(process.stdout).readline()
    if not line:
        raise ChildFailed(f"{process.args!r} ended with {process.wait(TIMEOUT_S)}")
    return line


def say(process: subprocess.Popen[str], word: str) -> None:
    """Send the process a line."""
    pipe = _pipe(process.stdin)
    pipe.write(word + "\n")
    pipe.flush()


def finish(process: subprocess.Popen[str]) -> str:
    """Return what the process still prints; ChildFailed if its exit status is not 0."""
    output, _errors = process.communicate(timeout=TIMEOUT_S)
    if process.returncode:
        raise ChildFailed(f"{process.args!r} ended with {process.returncode}")
    return output


def answer_of(module: str, *arguments: object, environment: Mapping[str, str] | None = None) -> Any:
    """The JSON that a process prints."""
    return json.loads(finish(start(module, *arguments, environment=environment)))


def _pipe(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise ChildFailed("the process has no pipe")
    return pipe
