"""Litestream beside a program of one server: a write is made in its file and stored in S3.

Litestream acknowledges nothing: here each write waits until it is stored, which its control socket
can tell. A reader elsewhere restores the whole database, and has it as it was then.
"""

import http.client
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from time import sleep

import apsw

from benchmarks import data

REFUSALS: tuple[type[Exception], ...] = ()
PROGRAM = Path(sys.executable).with_name("litestream")
BUCKET = "litestream"
STARTS_S = 30.0
CHECK_S = 0.05
SYNC_S = 120
CONFIGURATION = """
socket: {{enabled: true, path: {socket}}}
dbs:
  - path: {database}
    replica: {{type: s3, bucket: {bucket}, path: {name}, region: us-east-1, endpoint: "{url}",
      force-path-style: true}}
"""


class Server:
    """The server that writes, with Litestream beside it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file = directory / data.FILE
        self._socket = directory / "socket"
        self._litestream = subprocess.Popen(
            [PROGRAM, "replicate", "-config", _configuration(directory)],
            env=_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._connection = apsw.Connection(str(self._file))
        for _turn in range(int(STARTS_S / CHECK_S)):
            if self._listens():
                break
            sleep(CHECK_S)
        try:
            self._sync()
        except (OSError, RuntimeError):
            self.close()
            raise

    def read(self, number: int) -> str:
        return str(self._connection.execute(data.READ, (number,)).fetchall()[0][1])

    def write(self, number: int) -> None:
        self._connection.execute(data.WRITE, data.values_of(number))
        self._sync()

    def close(self) -> None:
        self._connection.close()
        self._litestream.terminate()
        self._litestream.wait()

    def _listens(self) -> bool:
        # Its name is there a moment before it takes connections.
        with socket.socket(socket.AF_UNIX) as connection:
            return connection.connect_ex(str(self._socket)) == 0

    def _sync(self) -> None:
        """Wait until all is stored."""
        connection = _UnixConnection(str(self._socket))
        body = {"path": str(self._file), "wait": True, "timeout": SYNC_S}
        connection.request("POST", "/sync", json.dumps(body), {"content-type": "application/json"})
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        if answer.status != http.client.OK:
            raise RuntimeError(f"litestream: {said!r}")


class Restored:
    """Another machine: it restores the database, and reads what it has."""

    def __init__(self, directory: Path) -> None:
        copy = directory / "restored.db"
        copy.unlink(missing_ok=True)
        configured = ("-config", _configuration(directory))
        subprocess.run(
            [PROGRAM, "restore", *configured, "-o", copy, directory / data.FILE],
            env=_environment(),
            check=True,
            capture_output=True,
        )
        self._connection = apsw.Connection(str(copy))

    def read(self, number: int) -> str:
        return str(self._connection.execute(data.READ, (number,)).fetchall()[0][1])

    def write(self, number: int) -> None:
        raise NotImplementedError(f"row {number} would be in no replica")

    def close(self) -> None:
        self._connection.close()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=SYNC_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


def open_subject(directory: Path) -> Server:
    return Server(directory)


def open_restored(directory: Path) -> Restored:
    return Restored(directory)


def store(directory: Path) -> None:
    """Make the replica of a file."""
    import boto3

    s3 = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    s3.create_bucket(Bucket=BUCKET)
    s3.close()
    connection = apsw.Connection(str(directory / data.FILE))
    connection.pragma("journal_mode", "WAL")
    connection.close()
    open_subject(directory).close()


def _configuration(directory: Path) -> Path:
    path = directory / "litestream.yml"
    path.write_text(
        CONFIGURATION.format(
            socket=directory / "socket",
            database=directory / data.FILE,
            bucket=BUCKET,
            name=directory.name,
            url=os.environ["AWS_ENDPOINT_URL"],
        )
    )
    return path


def _environment() -> dict[str, str]:
    """Without a bundle of certificates, which Litestream's client of AWS refuses."""
    return {name: value for name, value in os.environ.items() if name != "AWS_CA_BUNDLE"}
