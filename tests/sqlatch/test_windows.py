"""What of the wheel is for Windows too: nothing there needs a module that only POSIX has.

Windows itself is not here: its modules are taken away, and what a call would do there is stood in.
"""

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from sqlatch.command.exits import Exit
from sqlatch.command.journal import CannotResume, alone
from sqlatch.command.main import run
from tests.writers import ROOT

OF_POSIX = ("fcntl", "grp", "posix", "pty", "pwd", "resource", "termios", "tty")
NOT_ASKED = ("sqlatch.django", "sqlatch.kernel.nfs", "sqlatch.server.")
"""Django on files and the server are for POSIX. Of SQLAlchemy there is none in this environment."""

ENDS = (".__main__", ".sqlalchemy")

# The libraries choose their own modules when they are imported: that is not ours to test.
LOAD_ALL = f"""
import asyncio, importlib, pkgutil, sys
import aiohttp, boto3, click, jwt, mcp.server, prompt_toolkit.shortcuts, pyarrow.parquet
import rich.console
for name in {OF_POSIX}:
    sys.modules[name] = None
sys.platform = "win32"
import sqlatch
for module in pkgutil.walk_packages(sqlatch.__path__, "sqlatch."):
    if not module.name.startswith({NOT_ASKED}) and not module.name.endswith({ENDS}):
        importlib.import_module(module.name)
        print(module.name)
"""


def test_nothing_of_the_client_or_the_command_loads_a_module_of_posix() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOAD_ALL], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    loaded = done.stdout.split()
    assert {"sqlatch.aio", "sqlatch.command.load", "sqlatch.dbapi"} <= {*loaded}


def test_the_server_says_where_it_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")

    assert run(["serve"]) == Exit.USAGE

    assert "run it in WSL or in a Linux container" in capsys.readouterr().err


def test_a_file_is_loaded_by_one_load_at_a_time_there_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locking(descriptor: int, _mode: int, _bytes: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from error

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(locking=locking, LK_NBLCK=2))
    file = tmp_path / "rows.csv"

    with alone(file), pytest.raises(CannotResume, match="another load"), alone(file):
        pass

    assert list(tmp_path.iterdir()) == []
