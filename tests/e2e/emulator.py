"""Lambda instances on this machine: AWS's Runtime Interface Emulator runs the built artifact.

An emulator serves one invoke at a time, as an instance does, and crashes at two: a lock keeps them
apart. Its answers are 200 for errors and timeouts too, so the status says nothing.
"""

import json
import platform
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Self, TypeVar

from tests.e2e.artifact import BESIDE, ROOT, Artifact, command

T = TypeVar("T")

TIMEOUT_S = 29
STARTS_MAX = 3
TRIES_MAX = 5
OUT_OF_TIME = ("Timeout", "LeaseBusy", "LeaseLost")
READY_S = 60.0
ANSWER_S = 60.0
PATH = "/2015-03-31/functions/function/invocations"
DEPLOYED_RUNTIME = "AWS_Lambda_python3.13"
"""By this name the runtime client encodes: from 3.12 on text stays as it is, not `\\u00e9`."""


class Killed(Exception):
    """The function gave no answer: it ran into its timeout, or its process ended."""


@dataclass(slots=True)
class Instance:
    """One instance of a function. After a kill its next invoke is a cold start, as on Lambda.

    `launcher` is a command that starts it, say with another view of the file system.
    """

    artifact: Artifact
    environment: Mapping[str, str]
    runtime: Path
    log_file: Path
    handler: str | None = None
    timeout_s: int = TIMEOUT_S
    launcher: Sequence[str] = ()
    _port: int = 0
    _process: subprocess.Popen[bytes] | None = None
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop()

    def invoke(self, event: Any) -> Any:
        """The function's answer, or the type and message of its error. Killed if neither comes."""
        with self._one_at_a_time:
            if self._process is None or self._process.poll() is not None:
                self._start()
            content = self._post(json.dumps(event).encode())
        try:
            answer = json.loads(content)
        except ValueError:
            raise Killed(content.decode(errors="replace")) from None
        if isinstance(answer, dict) and "errorType" in answer:
            if answer["errorType"].startswith(("Runtime.", "Function.")):
                raise Killed(answer["errorType"])
            return {name: answer[name] for name in ("errorType", "errorMessage")}
        return answer

    def invoke_until_in_time(self, event: Any) -> Any:
        """As `invoke`, and again where the function or the request ran out of its short time."""
        for _try in range(TRIES_MAX):
            with suppress(Killed):
                answer = self.invoke(event)
                if not isinstance(answer, dict) or answer.get("errorType") not in OUT_OF_TIME:
                    return answer
        raise AssertionError(f"no answer in time in {TRIES_MAX} tries")

    def log(self) -> str:
        """All that the function and the emulator wrote."""
        return self.log_file.read_text(errors="replace")

    def requests(self) -> list[dict[str, Any]]:
        """The line that each request left in the log."""
        lines = [line for line in self.log().splitlines() if line.startswith("{")]
        return [line for line in map(json.loads, lines) if line.get("message") == "request"]

    def _post(self, body: bytes) -> bytes:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_S)
        try:
            connection.request("POST", PATH, body)
            return connection.getresponse().read()
        except ConnectionError as error:
            raise Killed(f"the emulator hung up: {error!r}") from error
        finally:
            connection.close()

    def _start(self) -> None:
        for _start in range(STARTS_MAX):
            self._stop()
            self._port, runtime_port = _free_ports()
            with self.log_file.open("ab") as log:
                self._process = subprocess.Popen(
                    self._command(runtime_port),
                    cwd=self.artifact.directory,
                    env=self._environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            if self._is_ready(self._process):
                return
        raise RuntimeError(f"the emulator does not start: {self.log()}")

    def _command(self, runtime_port: int) -> list[str]:
        addresses = [f"127.0.0.1:{self._port}", f"127.0.0.1:{runtime_port}"]
        options = ["--runtime-interface-emulator-address", "--runtime-api-address"]
        pairs = [part for pair in zip(options, addresses, strict=True) for part in pair]
        handler = self.handler or self.artifact.handler
        return [*self.launcher, str(emulator()), *pairs, "--log-level", "error", *command(handler)]

    def _environment(self) -> dict[str, str]:
        path = [str(self.artifact.directory), str(self.runtime)]
        return {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": ":".join([*path, str(BESIDE)] if self.handler else path),
            "AWS_EXECUTION_ENV": DEPLOYED_RUNTIME,
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(self.timeout_s),
            **self.environment,
        }

    def _is_ready(self, process: subprocess.Popen[bytes]) -> bool:
        ready_by_s = time.monotonic() + READY_S
        while process.poll() is None and time.monotonic() < ready_by_s:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1):
                return True
            time.sleep(0.01)
        return False

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass(slots=True)
class Pool:
    """Several instances of a function on one directory and one lease table."""

    instances: Sequence[Instance]
    _open: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        for instance in self.instances:
            self._open.enter_context(instance)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._open.close()

    def at_once(self, work: Callable[[Instance], T]) -> list[T]:
        """Run `work` on all instances at the same time, and return what it returns for each."""
        with ThreadPoolExecutor(len(self.instances)) as threads:
            return list(threads.map(work, self.instances))


def emulator() -> Path:
    """The emulator for this processor, which comes in SAM's wheel."""
    machine = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    pattern = f"lib/python3*/site-packages/samcli/local/rapid/aws-lambda-rie-{machine}"
    return next((ROOT / ".venv-sam").glob(pattern))


def _free_ports() -> tuple[int, int]:
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        return one.getsockname()[1], other.getsockname()[1]
