"""A network of its own for the lab: a namespace with a bridge that the clients are plugged into."""

import ctypes
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

HOST = "10.77.0.1"
"""The host's own address on the bridge: the NFS server and the lease table listen there."""

BRIDGE = "bridge"
CLONE_NEWNET = 0x40000000

Process = subprocess.Popen[bytes]

_numbers = count()


class Network:
    """A namespace: no firewall, port or address of the machine is in the way, or touched."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def launcher(self) -> tuple[str, ...]:
        """Return the words before a command that is to run in the network."""
        return ("ip", "netns", "exec", self.name)

    def start(self, command: Sequence[str | Path], *, log: Path, **options: Any) -> Process:
        """Start a program in the network, in a process group of its own; it ends with us."""
        with log.open("wb") as output:
            return subprocess.Popen(
                [*self.launcher, "setpriv", "--pdeathsig", "KILL", *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **options,
            )

    def connect(self, address: str, port: int, *, timeout_s: float) -> socket.socket:
        """A connection from inside the network, for a process outside it.

        A socket belongs to the namespace of the thread that made it, so a thread goes there.
        """
        made: list[socket.socket | OSError] = []

        def go_there() -> None:
            descriptor = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
            try:
                if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
                made.append(socket.create_connection((address, port), timeout_s))
            except OSError as error:
                made.append(error)
            finally:
                os.close(descriptor)

        thread = threading.Thread(target=go_there)
        thread.start()
        thread.join()
        if isinstance(made[0], OSError):
            raise made[0]
        made[0].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made[0]

    def plug_in(self, tap: str) -> None:
        """Make a network device and plug it into the bridge."""
        self._ip("tuntap", "add", tap, "mode", "tap")
        self._ip("link", "set", tap, "master", BRIDGE, "up")

    def unplug(self, tap: str) -> None:
        self._ip("link", "delete", tap)

    def cut(self, tap: str) -> None:
        """Take the device off the bridge. It stays up: user-mode Linux would not get over that."""
        self._ip("link", "set", tap, "nomaster")

    def join(self, tap: str) -> None:
        self._ip("link", "set", tap, "master", BRIDGE)

    def _ip(self, *arguments: str) -> None:
        subprocess.run(["ip", "-netns", self.name, *arguments], check=True, capture_output=True)


def kill(process: Process) -> None:
    """End a program that `Network.start` began, with all its processes, if it has not ended."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def network() -> Iterator[Network]:
    """A network that is gone after the block. Its name has our process id: two can be at once."""
    made = Network(f"sqlatch-nfs-{os.getpid()}-{next(_numbers)}")
    subprocess.run(["ip", "netns", "add", made.name], check=True, capture_output=True)
    try:
        made._ip("link", "set", "lo", "up")
        made._ip("link", "add", BRIDGE, "type", "bridge", "forward_delay", "0")
        made._ip("address", "add", f"{HOST}/24", "dev", BRIDGE)
        made._ip("link", "set", BRIDGE, "up")
        yield made
    finally:
        subprocess.run(["ip", "netns", "delete", made.name], check=True, capture_output=True)
