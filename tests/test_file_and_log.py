"""The page on moving between files and logs: its commands are run as they stand."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from sqlatch.client import connect
from sqlatch.errors import SqlatchError
from sqlatch.tokens import new_key, sign
from tests.cloudformation import ROOT
from tests.command.conftest import serving

PAGE = (ROOT / "docs" / "file-and-log.md").read_text()
STEPS = dict(re.findall(r"^## (\d)\. .+?\n(.*?)(?=^## )", PAGE, re.DOTALL | re.MULTILINE))
SHELL = f"""
sqlatch() {{ "{sys.executable}" -m sqlatch "$@"; }}
python() {{ "{sys.executable}" "$@"; }}
"""

SCHEMA = [
    "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT)",
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer REFERENCES customers, ordered TEXT)",
    "INSERT INTO customers VALUES (1, 'Ada'), (2, 'Bob')",
    "INSERT INTO orders VALUES (1, 2, 'tea'), (2, 1, 'salt')",
]
ORDERED = "SELECT name, ordered FROM orders JOIN customers ON customers.id = customer ORDER BY 2"


class Here:
    """A directory with a service of files that was started in it, and the page's commands."""

    def __init__(self, directory: Path, first: str, variables: dict[str, str]) -> None:
        self.first = first
        with closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            self.second = f"http://127.0.0.1:{free.getsockname()[1]}"
        self._directory = directory
        self._variables = os.environ | {"PYTHONPATH": str(ROOT)} | variables
        self._background: subprocess.Popen[bytes] | None = None

    def runs(self, step: str) -> str:
        """Run the commands of a step; what they print."""
        done = subprocess.run(
            ["bash", "-euc", SHELL + self._commands(step)], cwd=self._directory,
            env=self._variables, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def starts(self, step: str) -> None:
        """Run the commands of a step that starts the second service, and wait for it."""
        self._background = subprocess.Popen(
            ["bash", "-euc", SHELL + self._commands(step) + "\nwait"],
            cwd=self._directory, env=self._variables, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        while True:
            with suppress(SqlatchError), connect(f"{self.second}/orders") as client:
                client.health()
                return
            assert self._background.poll() is None
            time.sleep(0.1)

    def stops(self) -> None:
        if self._background is not None:
            os.killpg(self._background.pid, signal.SIGTERM)
            self._background.wait()

    def _commands(self, step: str) -> str:
        commands = "\n".join(re.findall(r"```sh\n(.*?)```", STEPS[step], re.DOTALL))
        port = self.second.rpartition(":")[2]
        return (
            commands.replace("http://127.0.0.1:8000", self.first)
            .replace("http://127.0.0.1:8001", self.second)
            .replace("--port 8001", f"--port {port}")
        )


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Here]:
    private, public = new_key()
    token = sign(private, access="rw", databases="*", lifetime_s=3_600)
    (tmp_path / "databases").mkdir()
    variables = {
        "SQLATCH_TOKEN_KEYS": public,
        "SQLATCH_TOKEN": token,
        "SQLATCH_COPIES": str(tmp_path),
    }
    with serving(tmp_path / "databases", SQLATCH_TOKEN_KEYS=public) as first:
        here = Here(tmp_path, first, variables)
        with connect(f"{first}/orders") as client:
            client.batch(SCHEMA)
        try:
            yield here
        finally:
            here.stops()


def test_the_commands_of_the_page_move_a_database_to_a_log_and_back(here: Here) -> None:
    here.starts("1")
    same = "2 tables, 4 rows: schema and rows are the same in both\n"

    assert here.runs("2").endswith(same)
    with connect(f"{here.first}/orders") as first, connect(f"{here.second}/orders") as second:
        first.execute("UPDATE orders SET ordered = 'milk' WHERE id = 1")
        assert here.runs("3").count(same) == 2
        assert second.query(ORDERED).rows == [("Bob", "milk"), ("Ada", "salt")]
        second.execute("DELETE FROM orders WHERE id = 2")
    here.runs("4")
    with connect(f"{here.first}/orders-again") as again:
        assert again.query(ORDERED).rows == [("Bob", "milk")]
