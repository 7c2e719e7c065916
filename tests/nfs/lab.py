"""The lab: an NFS server, a lease table and clients, on one machine, in a network of their own."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tests import dynamodb_server
from tests.nfs.client import SHARE, USER, Client, NotBooted
from tests.nfs.machines import MACHINES, Boot, Machine
from tests.nfs.network import HOST, network
from tests.nfs.server import serving

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILT_FROM = (
    HERE / "build.sh", HERE / "guest-init.sh", HERE / "initrd-init.sh",
    ROOT / "requirements/demo.txt",
)  # fmt: skip
NEEDED = ("ip", "setpriv", "apt-get", "dpkg", "mke2fs", "chroot")
BUILD_WITHIN_S = 600
CHOSEN = "SQLATCH_NFS_MACHINE"
"""The variable that names one kind of machine, where the first that boots would be taken."""


class Unavailable(Exception):
    """The lab cannot be had on this machine; says why."""


@dataclass(frozen=True, slots=True)
class Lab:
    """Two clients, what the server serves them, and the environment of a function in them."""

    a: Client
    b: Client
    built: Path
    export: Path
    environment: dict[str, str]

    def directory(self, name: str) -> dict[str, str]:
        """The environment of a function with a new directory of databases on the share."""
        path = f"{SHARE}/{name}"
        self.a.shell(f"install -d -o {USER} -g {USER} {path}")
        return {**self.environment, "SQLATCH_DATABASES": path}

    def has_hot_journal(self, environment: dict[str, str], database: str = "main") -> bool:
        """Return whether the journal, as the server has it on its disk, waits to be rolled back."""
        directory = self.export / Path(environment["SQLATCH_DATABASES"]).name
        with (directory / f"{database}.db-journal").open("rb") as journal:
            return (journal.read(1) or b"\0") != b"\0"


@contextmanager
def lab(run: Path) -> Iterator[Lab]:
    """The lab, running inside the block; `run` is for logs and the shared files.

    Unavailable, with the reason for each kind of machine, if none boots here.
    """
    reasons = []
    chosen = os.environ.get(CHOSEN)
    for name in [chosen] if chosen else MACHINES:
        machine = MACHINES[name]()
        with ExitStack() as stack:
            try:
                running = _running(stack, machine, build(name), run / name)
            except (Unavailable, NotBooted) as error:
                reasons.append(f"{machine.name}: {error}")
                continue
            yield running
            return
    raise Unavailable("; ".join(reasons))


def _running(stack: ExitStack, machine: Machine, built: Path, run: Path) -> Lab:
    """Boot the clients, which end with the stack; NotBooted if one does not."""
    run.mkdir()
    net = stack.enter_context(network())
    url = stack.enter_context(dynamodb_server.running(address=HOST, launcher=net.launcher))
    stack.enter_context(serving(net, root=built / "root", run=run, export=run / "export"))
    boot = Boot(built, ROOT, run)
    machine.prepare(boot)
    first, second = clients = [
        Client(net, machine, boot, name=name, number=number) for number, name in enumerate("ab")
    ]
    for client in clients:
        stack.callback(client.power_off)
        client.power_on()
    for client in clients:
        client.mount()
    return Lab(
        first,
        second,
        built,
        run / "export",
        {
            **dynamodb_server.CREDENTIALS,
            "AWS_ENDPOINT_URL": url,
            "SQLATCH_LEASES": f"dynamodb:{dynamodb_server.TABLE}",
        },
    )


def build(machine: str) -> Path:
    """Where the lab's files are, made if need be; Unavailable if they cannot be."""
    if reason := _why_not():
        raise Unavailable(reason)
    version = sha256(b"".join(path.read_bytes() for path in BUILT_FROM)).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    directory = cache / "sqlatch-nfs-lab" / version
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / f"ready-{machine}").exists():
            _make(directory, machine)
    return directory


def _why_not() -> str | None:
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        return "the clients are built for Linux on x86-64"
    if os.geteuid() != 0:
        return "only root may make network namespaces and devices"
    if not Path("/dev/net/tun").exists():
        return "there is no /dev/net/tun"
    missing = [name for name in NEEDED if shutil.which(name) is None]
    return f"not installed: {', '.join(missing)}" if missing else None


def _make(directory: Path, machine: str) -> None:
    try:
        subprocess.run(
            ["bash", HERE / "build.sh", directory, machine],
            check=True,
            capture_output=True,
            text=True,
            timeout=BUILD_WITHIN_S,
        )
    except subprocess.CalledProcessError as error:
        last_lines = "; ".join(error.stderr.strip().splitlines()[-3:])
        raise Unavailable(f"the lab could not be built: {last_lines}") from error
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"the lab could not be built in {BUILD_WITHIN_S} s") from error
