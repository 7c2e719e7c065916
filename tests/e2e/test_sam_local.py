"""`sam local` with one directory for all containers: the real SAM CLI on the tests' own engine."""

import json
import platform
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import docker_engine, sam_local
from tests.e2e.artifact import BUILT, ROOT
from tests.e2e.docker_engine import CODE, SCRATCH, Engine
from tests.forge import PUBLIC, bearer
from tests.samples import EXPECTED

TEMPLATE = BUILT / "template.yaml"
MACHINE = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
READY_S = 60


@pytest.fixture(autouse=True)
def no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever engine there is on this machine, these tests do not use it."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    monkeypatch.setenv("SAM_CLI_TELEMETRY", "0")


@pytest.fixture
def engine(
    no_engine: None, tmp_path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Engine]:
    with docker_engine.running(tmp_path, runtime) as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.address)
        yield engine


def run(directory: Path, *samples: str) -> int:
    return sam_local.main(["--template", str(TEMPLATE), "--directory", str(directory), *samples])


@pytest.mark.timeout(600)
def test_every_sample_finds_what_those_before_it_wrote(
    engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = tmp_path / "shared"

    status = run(shared)

    printed = capsys.readouterr().out
    assert status == 0, printed
    assert re.findall(r"^ok +(\S+)", printed, re.MULTILINE) == list(EXPECTED)
    assert printed.endswith(f"{len(EXPECTED)} of {len(EXPECTED)} as expected\n")
    functions = [Path(container.mounts()[CODE][0]).name for container in engine.containers]
    assert set(functions) == {"QueryFunction", "ReadFunction", "ReaperFunction"}
    assert functions[list(EXPECTED).index("11-http-1.0")] == "ReadFunction"
    for container in engine.containers:
        assert container.mounts()[SCRATCH] == (str(shared), "rw")
        assert container.asked["Image"].endswith(f"-{MACHINE}"), "as the template is pinned"


@pytest.mark.timeout(300)
def test_a_sample_that_answers_otherwise_is_told_and_fails_the_run(
    engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = run(tmp_path / "empty", "02-insert", "09-health")

    wrong, expected, got, right, *_rest, last = capsys.readouterr().out.splitlines()
    assert status == 1
    assert wrong == "WRONG 02-insert (QueryFunction)"
    assert expected.split(maxsplit=1) == ["expected", EXPECTED["02-insert"].words]
    assert "no such table: airlines" in got
    assert right == "ok    09-health (QueryFunction)"
    assert last == "1 of 2 as expected"


@pytest.mark.timeout(300)
def test_without_the_mount_a_container_sees_nothing_of_the_one_before_it(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = "import sys; from samcli.cli.main import cli; cli(args=sys.argv[2:], prog_name='sam')"
    monkeypatch.setattr(sam_local, "SAM", [sam_local.SAM[0], "-c", plain])

    assert run(tmp_path / "shared", "01-create") == 0
    assert run(tmp_path / "shared", "02-insert") == 1


def test_without_an_engine_nothing_is_run_and_the_status_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "shared") == sam_local.NO_ENGINE
    assert "NOTHING WAS RUN" in capsys.readouterr().out
    assert not (tmp_path / "shared").exists()


@contextmanager
def serving(directory: Path, *options: str) -> Iterator[HTTPConnection]:
    """`sam local start-api` on a port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = (directory.parent / "start-api.log").open("wb")
    with log, subprocess.Popen(
        [*sam_local.SAM, directory, "local", "start-api", "--template", TEMPLATE,
         *sam_local.SETTINGS, "--port", str(port), *options],
        cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
    ) as server:  # fmt: skip
        try:
            _wait_for(port, server)
            yield HTTPConnection("127.0.0.1", port, timeout=60)
        finally:
            server.terminate()


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    ready_by_s = time.monotonic() + READY_S
    while time.monotonic() < ready_by_s:
        assert server.poll() is None, "start-api has ended"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("start-api does not listen")


def ask(
    server: HTTPConnection, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, Any]:
    content = None if body is None else json.dumps(body)
    server.request(method, path, content, {"content-type": "application/json"} | headers)
    answer = server.getresponse()
    text = answer.read().decode()
    try:
        return answer.status, json.loads(text)
    except ValueError:
        return answer.status, text


@pytest.mark.timeout(300)
def test_start_api_serves_the_paths_of_libsql_and_read_sees_what_they_wrote(
    engine: Engine, tmp_path: Path
) -> None:
    statement = {"sql": "CREATE TABLE t AS SELECT 7 AS n"}
    pipeline = {"requests": [{"type": "execute", "stmt": statement}, {"type": "close"}]}
    token = {"authorization": bearer(time.time())}

    with serving(tmp_path / "shared", "--parameter-overrides", f'TokenKeys="{PUBLIC}"') as server:
        refused, _ = ask(server, "POST", "/main/v2/pipeline", pipeline)
        written, answer = ask(server, "POST", "/main/v2/pipeline", pipeline, **token)
        read = ask(server, "POST", "/read", {"query": "SELECT n FROM t"})
        version = ask(server, "GET", "/main/v2", **token)

    assert (refused, written) == (401, 200)
    assert answer["results"][0]["type"] == "ok"
    assert (read[0], read[1]["rows"]) == (200, [[7]])
    assert version[0] == 200
