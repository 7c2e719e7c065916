"""An instance of a function in a process of its own, from a code tree of one's choice.

Started at its first event; it answers one event at a time, a line of JSON each.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parent.parent

PROGRAM = """
import importlib, json, sys
from handler import local
local.TIMEOUT_S = 120.0
handler = importlib.import_module(sys.argv[1]).lambda_handler
for line in sys.stdin:
    try:
        answer = handler(json.loads(line), local.LocalContext())
    except Exception as error:
        answer = {"errorType": type(error).__name__, "errorMessage": str(error)}
    print(json.dumps(answer), flush=True)
"""


class Died(Exception):
    """The process ended without an answer."""


class Instance:
    """One process; its next event is a cold start if it died, as on Lambda."""

    def __init__(
        self, environment: Mapping[str, str], *, code: Path = ROOT, module: str = "handler.query"
    ) -> None:
        self._environment = {**os.environ, **environment, "PYTHONPATH": str(code)}
        self._code = code
        self._module = module
        self._one_at_a_time = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.kill()

    def __call__(self, event: Any) -> Any:
        """Return the function's answer, or the type and message of its error."""
        with self._one_at_a_time:
            process = self._started()
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(event) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        if not line:
            self.kill()
            raise Died
        return json.loads(line)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, self._module],
                cwd=self._code,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        return self._process
