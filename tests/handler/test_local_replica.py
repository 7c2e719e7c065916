"""The process behind `sqlatch export --litestream` and `sqlatch import`."""

import json
import subprocess
import sys
from pathlib import Path

from tests.pages import ROOT


def asked(home: Path, *arguments: str) -> tuple[int, dict[str, str]]:
    (home / "log").mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "handler.local_replica", *arguments],
        cwd=ROOT,
        env={"SQLATCH_LOG": f"directory:{home / 'log'}", "SQLATCH_COPIES": str(home)},
        stdout=subprocess.PIPE,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)


def test_why_there_is_no_replica_is_told(tmp_path: Path) -> None:
    code, told = asked(tmp_path, "export", "none", str(tmp_path / "out"))

    assert code == 1
    assert told["message"].startswith("database 'none' does not exist")
    assert not (tmp_path / "out").exists()
