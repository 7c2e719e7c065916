"""Three nodes and the sites beside them on this machine, as compose.yaml has them in containers.

`python cluster.py DIRECTORY` starts all until Ctrl-C, and keeps their data and the process ids in
that directory; `python cluster.py DIRECTORY node1` starts one again that has ended.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from health import is_healthy

HERE = Path(__file__).resolve().parent
NODES = ("node1", "node2", "node3")
SITES = ("site1", "site2", "site3")
SHARE_THE_LOG = ("node1", "node2")
"""One of them leads, the first that is started. The third node follows both by URL."""
PORT = 8_000
LEASE_S = 3
"""How long a leader may be silent; its default of 10 s is for nodes that are less near."""
STARTS_S = 60
"""A node that follows by URL does not start while none of the others answers."""
PAUSE_S = 0.1


class Cluster:
    """The processes by name. Site N has the port `port` + N, node N one that is 1,000 higher."""

    def __init__(self, directory: Path, port: int | None = None) -> None:
        self.directory = directory
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        directory.mkdir(parents=True, exist_ok=True)
        self.port = self._kept_port(port)
        self.token = self._made_token()

    def start(self, name: str) -> None:
        """Start a node or a site, and wait until it is healthy; again if it ends before."""
        ends = time.monotonic() + STARTS_S
        while True:
            process = self._run(name, *self.process_of(name))
            self.running[name] = process
            (self.directory / f"{name}.pid").write_text(f"{process.pid}\n")
            while process.poll() is None:
                if is_healthy(self.health_url(name), self.token):
                    return
                time.sleep(PAUSE_S)
            if time.monotonic() > ends:
                raise SystemExit(f"{name} has not started: see {self.directory / name}.log")

    def migrate(self) -> None:
        """Make the tables, through any node; here through the first."""
        _command, variables = self._site("site1")
        process = self._run("migrate", [sys.executable, "manage.py", "migrate"], variables)
        if process.wait():
            raise SystemExit(f"the tables were not made: see {self.directory / 'migrate.log'}")

    def end(self) -> None:
        """End all processes, the sites first."""
        for name in reversed(self.running):
            self.running[name].terminate()
        for process in self.running.values():
            process.wait()

    def process_of(self, name: str) -> tuple[list[str], dict[str, str]]:
        """Return the command of a node or a site, and its own variables."""
        return self._node(name) if name in NODES else self._site(name)

    def url(self, name: str) -> str:
        port = self.port + int(name[-1]) + (1_000 if name in NODES else 0)
        return f"http://127.0.0.1:{port}"

    def health_url(self, name: str) -> str:
        return self.url(name) + ("/health" if name in NODES else "/api/health/")

    def _node(self, name: str) -> tuple[list[str], dict[str, str]]:
        shares = name in SHARE_THE_LOG
        shared = self.directory / "log"
        log = f"directory:{shared}" if shares else ",".join(map(self.url, SHARE_THE_LOG))
        copies = self.directory / f"{name}-copies"
        copies.mkdir(exist_ok=True)
        port = self.url(name).rpartition(":")[2]
        command = ["-m", "sqlatch", "serve", "--log", log, "--port", port, "--workers", "2"]
        variables = {
            "SQLATCH_HTTP_AUTH": "token",
            "SQLATCH_TOKEN_KEYS": (self.directory / "token.pub").read_text(),
            "SQLATCH_LOG_TOKEN": self.token,
            "SQLATCH_COPIES": str(copies),
        }
        if shares:
            variables |= {
                "SQLATCH_LEADER": "lease:wall",
                "SQLATCH_LEADER_LEASE_S": str(LEASE_S),
                "SQLATCH_NODE": self.url(name),
            }
        return [sys.executable, *command], variables

    def _site(self, name: str) -> tuple[list[str], dict[str, str]]:
        node = name.replace("site", "node")
        variables = {
            "NODE_NAME": node,
            "SQLATCH_URL": f"{self.url(node)}/wall/",
            "SQLATCH_TOKEN": self.token,
        }
        listen = self.url(name).removeprefix("http://")
        command = ["-m", "waitress", f"--listen={listen}", "mysite.wsgi:application"]
        return [sys.executable, *command], variables

    def _run(
        self, name: str, command: list[str], variables: dict[str, str]
    ) -> "subprocess.Popen[bytes]":
        """Run a command in a group of its own, which can be killed with all its processes."""
        with (self.directory / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command, cwd=HERE, env={**os.environ, **variables}, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, process_group=0,
            )  # fmt: skip

    def _kept_port(self, port: int | None) -> int:
        """Return the port of the cluster, which what is started again gets too."""
        kept = self.directory / "port"
        if port is not None or not kept.exists():
            kept.write_text(str(port or PORT))
        return int(kept.read_text())

    def _made_token(self) -> str:
        """Return the token that the sites and the nodes use, signed with a key of the cluster."""
        sqlatch, token = [sys.executable, "-m", "sqlatch", "token"], self.directory / "token"
        if not token.exists():
            subprocess.run([*sqlatch, "key"], cwd=self.directory, check=True)
            signed = subprocess.check_output([*sqlatch, "sign"], cwd=self.directory)
            token.touch(mode=0o600)
            token.write_bytes(signed)
        return token.read_text().strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("names", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--port", type=int, help=f"below that of site 1; {PORT} unless told")
    given = parser.parse_args()
    cluster = Cluster(given.directory.resolve(), given.port)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        for name in given.names or (*NODES, "migrate", *SITES):
            if name == "migrate":
                cluster.migrate()
            else:
                cluster.start(name)
                print(f"{name} is at {cluster.url(name)}", flush=True)
        print("Ctrl-C ends them", flush=True)
        signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        cluster.end()


if __name__ == "__main__":
    main()
