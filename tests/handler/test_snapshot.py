"""A function that starts from a snapshot: nothing loaded before it is one instance's own.

A fork stands for it: two instances go on from one state of memory, as two restored ones do.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from tests.cloudformation import ROOT
from tests.dynamodb_server import CREDENTIALS, create_log

PROGRAM = """
import json, os, sys, threading
files = set(os.listdir("/proc/self/fd"))
import handler.query  # what Lambda loads before it takes the snapshot
from handler.service import service
from handler.local import invoke
made = {
    "files": sorted(set(os.listdir("/proc/self/fd")) - files),
    "threads": threading.active_count() - 1,
    "services": service.cache_info().currsize,
}
print(json.dumps(made), flush=True)
instances = []
for number in range(2):
    if (instance := os.fork()) == 0:
        status = 1
        try:
            invoke({"query": "INSERT INTO t VALUES (?)", "parameters": [number]})
            status = 0
        finally:
            os._exit(status)
    instances.append(instance)
print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(one, 0)[1]) for one in instances]))
print(json.dumps(invoke({"query": "SELECT n FROM t ORDER BY n"})["rows"]))
"""

CREATE = 'from handler.local import invoke; invoke({"query": "CREATE TABLE t (n)"})'


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


def test_instances_of_one_snapshot_share_nothing(aws: None, moto_url: str, tmp_path: Path) -> None:
    variables = {
        **{name: value for name, value in os.environ.items() if "SQLATCH" not in name},
        **CREDENTIALS,
        "AWS_ENDPOINT_URL": moto_url,
        "SQLATCH_LOG": create_log(moto_url, f"log-{uuid4()}"),
        "SQLATCH_COPIES": str(tmp_path),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
    }

    subprocess.run(
        [sys.executable, "-c", CREATE], cwd=ROOT, env=variables, capture_output=True, check=True,
    )  # fmt: skip

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env=variables, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip

    made, ended, rows = map(json.loads, done.stdout.splitlines())
    assert made == {"files": [], "threads": 0, "services": 0}, done.stderr
    assert ended == [0, 0], done.stderr
    assert rows == [[0], [1]]
