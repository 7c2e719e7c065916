"""A client: a Linux kernel with its own NFS client, and function instances running in it."""

import json
import os
import shlex
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

from tests.nfs.machines import Boot, Machine
from tests.nfs.network import HOST, Network, Process, kill

PORT = 9000
ANSWERS_WITHIN_S = 300
CONSOLE_LINES = 5
SHARE = "/mnt/efs"
USER = 1000
"""Whom the function runs as. Not root, for whom SQLite does more."""

OPTIONS = "nfsvers=4.1,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport"
"""What EFS's mount helper mounts with."""


class NotBooted(Exception):
    """The machine ended, or did not answer in time; says what its console showed last."""


class InstanceGone(Exception):
    """A function instance ended without an answer: it was killed, or its machine was."""


class Client:
    """One virtual machine on the network. `number` makes its address, 10.77.0.(10 + number)."""

    def __init__(
        self, network: Network, machine: Machine, boot: Boot, *, name: str, number: int
    ) -> None:
        self.name = name
        self._network = network
        self._machine = machine
        self._boot = boot
        self._address = f"10.77.0.{10 + number}"
        self._tap = f"tap-{name}"
        self._process: Process | None = None

    def power_on(self) -> None:
        """Begin to boot; `mount` waits for it."""
        boot, machine = self._boot, self._machine
        self._network.plug_in(self._tap)
        self._process = self._network.start(
            machine.command(boot, name=self.name, address=self._address, tap=self._tap),
            log=boot.run / f"{self.name}.log",
            env=machine.environment(boot),
        )

    def mount(self) -> None:
        """Mount the share, as soon as the machine answers; NotBooted if it never does."""
        self._wait_until_it_answers()
        self.shell(f"mount -t nfs4 -o {OPTIONS} {HOST}:/ {SHARE}")

    def power_off(self) -> None:
        """As when the machine loses its power: nothing is flushed, nobody is told."""
        if self._process is not None:
            kill(self._process)
            self._process = None
            self._network.unplug(self._tap)

    def freeze(self) -> None:
        """Stop the machine's time, as Lambda does between two invocations."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def cut(self) -> None:
        """Pull the plug of the network."""
        self._network.cut(self._tap)

    def join(self) -> None:
        self._network.join(self._tap)

    def shell(self, command: str) -> str:
        """Run a command in the machine, and return its output; AssertionError if it fails."""
        with self._talk({"shell": command}) as conversation:
            answer = conversation.receive()
        assert answer["status"] == 0, answer["output"]
        return str(answer["output"])

    def python(self, program: str, *arguments: str) -> str:
        """Run a program by the machine's own Python with Debian's SQLite, and return its output."""
        user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
        return self.shell(shlex.join([*user, "python3", "-c", program, *arguments]))

    @contextmanager
    def instance(self, environment: Mapping[str, str], **faults: Any) -> "Iterator[Instance]":
        """A new instance of the function, with faults built in (see tests.nfs.faults)."""
        first = {"user": USER, "environment": dict(environment), "faults": faults}
        with self._talk(first) as instance:
            instance.receive()
            yield instance

    @contextmanager
    def log(self, directory: str, *, is_buffered: bool = False) -> "Iterator[Instance]":
        """A new process with the log in a directory open (see tests.nfs.logs)."""
        first = {"user": USER, "log": directory, "is_buffered": is_buffered}
        with self._talk(first) as process:
            process.receive()
            yield process

    def operations(self) -> dict[str, int]:
        """Return how often the kernel asked for each operation since the share was mounted."""
        counts = {}
        of_share = False
        for line in self.shell("cat /proc/self/mountstats").splitlines():
            words = line.split()
            if line.startswith("device "):
                of_share = f" mounted on {SHARE} " in line
            elif of_share and len(words) >= 9 and words[0][:-1].isupper():
                counts[words[0][:-1]] = int(words[1])
        return counts

    @contextmanager
    def _talk(self, first: Mapping[str, Any]) -> "Iterator[Instance]":
        with closing(Instance(self._network.connect(self._address, PORT, timeout_s=5))) as instance:
            instance.send(first)
            yield instance

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        # One of its processes is the machine's processor, the others wait for it.
        os.kill(self._process.pid, number)

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None
        give_up_at_s = time.monotonic() + self._machine.boots_within_s
        while True:
            try:
                self.shell("true")
            except (OSError, InstanceGone) as error:
                if self._process.poll() is not None or time.monotonic() > give_up_at_s:
                    raise NotBooted(self._last_lines()) from error
                time.sleep(0.1)
            else:
                return

    def _last_lines(self) -> str:
        console = (self._boot.run / f"{self.name}.log").read_text(errors="replace")
        lines = [line.strip() for line in console.splitlines() if line.strip()]
        return " | ".join(lines[-CONSOLE_LINES:]) or "nothing on its console"


class Instance:
    """A conversation with a process in a machine, a line of JSON each way."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(ANSWERS_WITHIN_S)
        self._socket = connection
        self._lines = connection.makefile("rb")

    def ask(self, **event: Any) -> dict[str, Any]:
        """Invoke the handler: its reply, or `{"error": body}`."""
        self.send({"event": event})
        return self.receive()

    def order(self, what: str) -> Any:
        """Have something done that is no event (see tests.nfs.guest)."""
        self.send({"order": what})
        return self.receive()["done"]

    def do(self, *what: Any) -> Any:
        """Have something done with an open log: what came of it."""
        self.send({"do": what})
        return self.receive()["done"]

    def send(self, message: Mapping[str, Any]) -> None:
        self._socket.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> dict[str, Any]:
        """The next message; InstanceGone if there will be none."""
        try:
            line = self._lines.readline()
        except ConnectionError as error:
            raise InstanceGone from error
        if not line:
            raise InstanceGone
        message: dict[str, Any] = json.loads(line)
        assert "bug" not in message, message["bug"]
        return message

    def close(self) -> None:
        self._lines.close()
        self._socket.close()
