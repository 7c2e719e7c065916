"""A Docker engine for the SAM CLI alone: its containers are processes of Lambda's emulator.

It answers the calls of Docker's HTTP API that `sam local` makes, on a Unix socket. A container has
no root of its own: where its environment names a path under a mount, its process gets the directory
that is mounted there. A /tmp without a mount is an empty directory, another for each container.
"""

import json
import re
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from tests.e2e.artifact import command
from tests.e2e.emulator import DEPLOYED_RUNTIME, emulator

CODE, SCRATCH = "/var/task", "/tmp"
HANDLER = "AWS_LAMBDA_FUNCTION_HANDLER"
PORT = "8080/tcp"
API = "1.44"
STDERR_FRAME = 2
STOP_S = 60
DIGEST = "sha256:" + 64 * "0"
IMAGE = {"Id": DIGEST, "RepoTags": [], "RepoDigests": [f"lambda@{DIGEST}"], "Config": {}}


@dataclass(slots=True)
class Container:
    """One container as it was asked for, and its process once it is started."""

    asked: dict[str, Any]
    scratch: Path
    process: subprocess.Popen[bytes] | None = None

    def mounts(self) -> dict[str, tuple[str, str]]:
        """The source and the mode of each mount, by its place in the container."""
        binds = [bind.rsplit(":", 2) for bind in self.asked["HostConfig"]["Binds"]]
        return {place: (source, mode) for source, place, mode in binds}

    def start(self, runtime: Path) -> None:
        given = dict(entry.split("=", 1) for entry in self.asked["Env"])
        places = {SCRATCH: str(self.scratch)}
        places |= {place: source for place, (source, _mode) in self.mounts().items()}
        environment = {name: self._on_this_machine(value, places) for name, value in given.items()}
        (binding,) = self.asked["HostConfig"]["PortBindings"][PORT]
        self.process = subprocess.Popen(
            [str(emulator()),
             "--runtime-interface-emulator-address", f"127.0.0.1:{binding['HostPort']}",
             "--runtime-api-address", f"127.0.0.1:{_free_port()}",
             *command(given[HANDLER])],
            cwd=places[CODE],
            env=environment | {
                "PATH": "/usr/bin:/bin",
                "PYTHONPATH": f"{places[CODE]}:{runtime}",
                "AWS_EXECUTION_ENV": DEPLOYED_RUNTIME,
            },
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def stop(self) -> None:
        if self.process is None or self.process.returncode is not None:
            return
        # Not killed: the emulator ends the function's process with it.
        self.process.terminate()
        self.process.wait(STOP_S)
        if self.process.stdout is not None:
            self.process.stdout.close()

    @staticmethod
    def _on_this_machine(value: str, places: dict[str, str]) -> str:
        for place, source in places.items():
            value = re.sub(rf"(?<![\w/]){re.escape(place)}(?![\w])", source, value)
        return value


@dataclass(slots=True)
class Engine:
    """The engine's containers, those that are gone too, in the order they were made."""

    address: str
    runtime: Path
    directory: Path
    containers: list[Container] = field(default_factory=list)

    def create(self, asked: dict[str, Any]) -> str:
        scratch = Path(tempfile.mkdtemp(dir=self.directory))
        self.containers.append(Container(asked, scratch))
        return str(len(self.containers) - 1)


@contextmanager
def running(directory: Path, runtime: Path) -> Iterator[Engine]:
    """Serve until the block ends, and end every container with it."""
    # Not below `directory`, whose path may be longer than a socket's can be.
    with tempfile.TemporaryDirectory(prefix="engine-") as place:
        path = f"{place}/socket"
        engine = Engine(f"unix://{path}", runtime, directory)
        server = _Server(path, type("Handler", (_Handler,), {"engine": engine}))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield engine
        finally:
            server.shutdown()
            server.server_close()
            for container in engine.containers:
                container.stop()


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The CLI resets its connections when it ends."""
        if not isinstance(sys.exception(), ConnectionResetError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    engine: Engine
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self._path()
        if path == "/_ping":
            self._reply("OK")
        elif path == "/version":
            self._reply({"Version": "29.0.0", "ApiVersion": API, "MinAPIVersion": API})
        elif path.startswith("/images/"):
            self._reply(IMAGE)
        elif path.startswith("/distribution/"):
            self._reply({"Descriptor": {"digest": DIGEST}, "Platforms": []})
        elif path.startswith("/containers/"):
            number = path.split("/")[2]
            process = self.engine.containers[int(number)].process
            state = "running" if process is not None and process.poll() is None else "created"
            self._reply({"Id": number, "State": {"Status": state}, "Config": {"Tty": False}})
        else:
            self._reply({"message": f"this engine has no {path}"}, status=404)

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers.get("content-length", 0)))
        path = self._path()
        if path == "/containers/create":
            self._reply({"Id": self.engine.create(json.loads(asked)), "Warnings": []}, status=201)
            return
        _empty, _containers, number, what = path.split("/")
        container = self.engine.containers[int(number)]
        if what == "start":
            container.start(self.engine.runtime)
        elif what == "attach":
            self._send_log(container)
            return
        else:
            container.stop()
        self._reply("", status=204)

    def do_DELETE(self) -> None:
        self.engine.containers[int(self._path().split("/")[2])].stop()
        self._reply("", status=204)

    def log_message(self, *_arguments: object) -> None:
        """Nothing: the tests read what `sam` prints."""

    def _path(self) -> str:
        return re.sub(r"^/v[\d.]+(?=/)", "", self.path).split("?")[0]

    def _reply(self, body: Any, *, status: int = 200) -> None:
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("api-version", API)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _send_log(self, container: Container) -> None:
        """Send what the container prints, as frames, until it ends."""
        self.send_response(101)
        self.send_header("content-type", "application/vnd.docker.raw-stream")
        self.send_header("connection", "Upgrade")
        self.send_header("upgrade", "tcp")
        self.end_headers()
        self.close_connection = True
        assert container.process is not None
        assert container.process.stdout is not None
        # The client hangs up, or the container ends, which closes the pipe.
        with suppress(BrokenPipeError, ValueError):
            for line in container.process.stdout:
                head = bytes([STDERR_FRAME, 0, 0, 0]) + len(line).to_bytes(4, "big")
                self.wfile.write(head + line)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
