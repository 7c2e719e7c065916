"""Pages of the documentation under test: their blocks, and a shell that runs their commands."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).parent.parent
END_S = 600

PORTS = range(20_000, 30_000)
"""Below the ports that Linux hands out for port 0, so that no other socket gets one by chance."""

Run = Callable[[str], str]


def blocks(page: str, language: str) -> list[str]:
    """Return the blocks of code of a language, in the order of the page."""
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def steps(page: str) -> dict[str, str]:
    """Return the sections whose headings are numbered, by their numbers; not the page's last."""
    return dict(re.findall(r"^## (\d)\. .+?\n(.*?)(?=^## )", page, re.DOTALL | re.MULTILINE))


@contextmanager
def free_ports(count: int) -> Iterator[list[str]]:
    """Ports for servers that are told theirs, kept from other tests inside the block.

    Each is held as a UDP port, which leaves it free for the server that is to listen.
    """
    with ExitStack() as held:
        ports = (str(port) for port in PORTS if _held(port, held))
        yield [next(ports) for _ in range(count)]


def _held(port: int, held: ExitStack) -> bool:
    claim = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    with suppress(OSError):
        claim.bind(("127.0.0.1", port))
        socket.create_server(("127.0.0.1", port)).close()
        return True
    return False


@contextmanager
def shell(
    directory: Path, ports: Mapping[str, str] | None = None, **variables: str
) -> Iterator[Run]:
    """Run a page's commands in a directory, which has this Python as `.venv`; what they print.

    `ports` maps those of the page to those to take. The programs that commands leave in the
    background are killed at the end of the block.
    """
    environment = {name: one for name, one in os.environ.items() if "SQLATCH" not in name}
    environment |= _with_command(directory) | variables
    groups: list[int] = []

    def run(commands: str) -> str:
        script = re.sub(r"\d{4}", lambda port: (ports or {}).get(port[0], port[0]), commands)
        # A file, since a program in the background would keep a pipe open; and writes on into it.
        output = directory / f"output-{len(groups)}"
        with output.open("w") as out, (directory / "errors").open("w") as err:
            bash = subprocess.Popen(
                ["bash", "-euc", script], cwd=directory, env=environment,
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True,
            )  # fmt: skip
            groups.append(bash.pid)
            status = bash.wait(END_S)
        assert status == 0, (directory / "errors").read_text()
        return output.read_text()

    try:
        yield run
    finally:
        for group in groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)


def _with_command(directory: Path) -> dict[str, str]:
    """Make the command `sqlatch` and a `.venv`, and return the variables that make them found."""
    programs = directory / "bin"
    programs.mkdir(exist_ok=True)
    (directory / ".venv").symlink_to(Path(sys.executable).parent.parent)
    script = programs / "sqlatch"
    # A process of its own and no shell around it, so that a signal reaches it.
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m sqlatch "$@"\n')
    script.chmod(0o755)
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
    return {"PATH": path, "PYTHONPATH": str(ROOT), "TMPDIR": str(directory)}
