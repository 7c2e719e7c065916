"""The built functions on logs in DynamoDB and S3: each has a temporary directory, and no other."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.dynamodb_server import CREDENTIALS, create_log
from tests.e2e.artifact import ROOT
from tests.e2e.conftest import Start
from tests.e2e.emulator import Instance
from tests.events.test_http import v2
from tests.handler.test_messages import failed, record

NAMESPACE = ["unshare", "--map-root-user", "--mount"]
READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro / && exec "$@"'
"""The root file system cannot be written in this namespace, but for the directory that is $0."""

SCHEDULED = json.loads((ROOT / "events" / "samples" / "14-schedule.json").read_text())
NUMBERS = {"query": "SELECT n FROM t ORDER BY n"}

Fresh = Callable[..., Instance]


@pytest.fixture
def settings(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return {
        "SQLATCH_LOG": create_log(moto_url, f"log-{uuid4()}"),
        "AWS_LAMBDA_FUNCTION_NAME": "sqlatch-query",
        "AWS_ENDPOINT_URL": moto_url,
        **CREDENTIALS,
    }


@pytest.fixture
def fresh(start: Start, settings: dict[str, str], tmp_path: Path) -> Fresh:
    """Start an instance whose temporary directory is its own, and empty."""

    def fresh(function: str = "QueryFunction", **options: Any) -> Instance:
        scratch = tmp_path / f"tmp-{len(list(tmp_path.glob('tmp-*')))}"
        scratch.mkdir()
        launcher = [*NAMESPACE, "sh", "-c", READ_ONLY, str(scratch)] if can_confine() else []
        environment = {**settings, "TMPDIR": str(scratch)}
        return start(function, environment=environment, launcher=launcher, **options)

    return fresh


def can_confine() -> bool:
    """Return whether this machine lets a process have a view of the file system of its own."""
    done = subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False)
    return done.returncode == 0


def insert(n: int) -> dict[str, Any]:
    return {"query": "INSERT INTO t VALUES (?)", "parameters": [n]}


def test_every_door_and_a_cold_start_need_no_directory_but_the_temporary_one(
    fresh: Fresh, runtime_without_sdk: Path
) -> None:
    query, reaper = fresh(), fresh("ReaperFunction")

    query.invoke({"query": "CREATE TABLE t (n)"})
    written = query.invoke(insert(1))
    over_http = query.invoke(v2("POST", "/query", json.dumps(insert(2))))
    batch = query.invoke({"Records": [record(f"m{n}", insert(n)) for n in (3, 4)]})
    report = reaper.invoke(SCHEDULED)
    cold = fresh(runtime=runtime_without_sdk)
    seen = cold.invoke(NUMBERS)
    writes_first = fresh().invoke(insert(5))
    reader = fresh("ReadFunction").invoke(NUMBERS)

    assert (written["meta"]["position"], written["meta"]["lease_wait_ms"]) == (f"{2:016x}", None)
    assert (over_http["statusCode"], failed(batch)) == (200, [])
    assert (report["failures"], report["databases_reached"]) == ([], 1)
    assert seen["rows"] == [[1], [2], [3], [4]]
    assert writes_first["rows_affected"] == 1
    assert reader["rows"] == query.invoke(NUMBERS)["rows"] == [[1], [2], [3], [4], [5]]
    assert query.invoke({"health": True})["status"] == "ok"


def test_in_these_tests_nothing_else_can_be_written(tmp_path: Path) -> None:
    if not can_confine():
        pytest.skip(f"this machine allows no namespaces: {' '.join(NAMESPACE)}")
    elsewhere, scratch = tmp_path / "elsewhere", tmp_path / "scratch"
    for directory in (elsewhere, scratch):
        directory.mkdir()
    command = "import sys, pathlib; pathlib.Path(sys.argv[1], 'file').touch()"

    def status_in(directory: Path) -> int:
        confined = [*NAMESPACE, "sh", "-c", READ_ONLY, str(scratch)]
        touch = [sys.executable, "-c", command, str(directory)]
        return subprocess.run([*confined, *touch], capture_output=True, check=False).returncode

    assert [status_in(directory) for directory in (scratch, elsewhere, ROOT)] == [0, 1, 1]
