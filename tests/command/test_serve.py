"""`sqlatch serve`, from an empty directory: what it makes, prints and refuses."""

import json
import os
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sqlatch.client import connect
from sqlatch.command.exits import Exit
from sqlatch.command.main import run
from sqlatch.command.serve import service_environment
from sqlatch.errors import StatementError, Unauthorized
from sqlatch.server.credentials import KEY_FILE, TOKEN_FILE
from tests.local_server import ROOT, exported


@contextmanager
def served(directory: Path, *options: str) -> Iterator[tuple[dict[str, str], Path]]:
    """Serve from a directory; the variables that are printed, and the file of its log lines."""
    log = directory / "lines"
    command = [sys.executable, "-m", "sqlatch", "serve", "--port", "0", *options]
    with (
        log.open("w") as lines,
        subprocess.Popen(
            command, cwd=directory, env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE, stderr=lines, text=True,
        ) as process,
    ):  # fmt: skip
        assert process.stdout is not None
        try:
            yield exported(process.stdout), log
        finally:
            process.terminate()
    assert process.returncode == Exit.OK


def test_an_empty_directory_becomes_a_served_database(tmp_path: Path) -> None:
    with served(tmp_path) as (variables, log):
        with connect(variables["SQLATCH_URL"], token=variables["SQLATCH_TOKEN"]) as client:
            client.execute("CREATE TABLE notes AS SELECT 'hello' AS text")
            assert client.query("SELECT text FROM notes").rows == [("hello",)]
            with pytest.raises(StatementError):
                client.execute("SELECT text FROM note")
        lines = [line.split() for line in log.read_text().splitlines()]

    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "databases").iterdir()}
    assert modes[TOKEN_FILE] == modes[KEY_FILE] == 0o600
    assert "main.db" in modes
    assert [(kind, database, done) for _, kind, database, _, _, *done in lines] == [
        ("write", "main", ["ok"]),
        ("read", "main", ["1", "rows"]),
        ("read", "main", ["STATEMENT_ERROR"]),
    ]


def test_a_log_is_served_again_with_the_same_token_and_its_lines_may_be_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its copies are in a temporary directory that is a symbolic link, as on macOS."""
    (tmp_path / "copies").mkdir()
    (tmp_path / "temporary").symlink_to("copies")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    tokens = []
    for sql in ("CREATE TABLE t AS SELECT 7 AS n", "SELECT n FROM t"):
        with served(tmp_path, "--log", "directory:logs", "--json") as (variables, log):
            tokens.append(variables["SQLATCH_TOKEN"])
            with connect(variables["SQLATCH_URL"], token=tokens[-1]) as client:
                rows = client.execute(sql).rows
            line = json.loads(log.read_text())

    assert tokens[0] == tokens[1]
    assert rows == [(7,)]
    assert (line["database"], line["kind"], line["rows"]) == ("main", "read", 1)
    assert {path.name for path in tmp_path.iterdir()} == {"lines", "logs", "copies", "temporary"}


def test_the_reaper_runs_beside_requests(tmp_path: Path) -> None:
    """It is seen by the line of a database that it cannot read.

    The directory of the databases is a symbolic link.
    """
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "databases").symlink_to("elsewhere")
    (tmp_path / "elsewhere" / "broken.db").write_bytes(b"no database" * 100)

    with (
        served(tmp_path, "--reap-every", "0.0001", "--json") as (variables, log),
        connect(variables["SQLATCH_URL"], token=variables["SQLATCH_TOKEN"]) as client,
    ):
        while '"kind":"reap"' not in log.read_text():
            client.execute("CREATE TABLE IF NOT EXISTS t (n)")

    lines = [json.loads(line) for line in log.read_text().splitlines()]
    run = next(line for line in lines if line["kind"] == "reap")
    assert (run["door"], run["failures"][0]["database"]) == ("schedule", "broken")


FILES, LOG = {"SQLATCH_DATABASES": "files"}, {"SQLATCH_LOG": "directory:logs"}


@pytest.mark.parametrize(
    ("environment", "databases", "log", "place"),
    [
        ({}, None, None, {"SQLATCH_DATABASES": "databases"}),
        ({"SQLATCH_LOG": ""}, None, None, {"SQLATCH_DATABASES": "databases"}),
        (FILES, None, None, FILES),
        (LOG, None, None, LOG),
        (LOG, "files", None, FILES),
        (FILES, None, "directory:logs", LOG),
    ],
)
def test_an_option_is_worth_more_than_a_variable(
    environment: dict[str, str], databases: str | None, log: str | None, place: dict[str, str]
) -> None:
    settings = service_environment(environment, databases, log)

    assert {name: value for name, value in settings.items() if value} == place


def test_files_and_a_log_at_once_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", "--databases", "files", "--log", "directory:logs"]) == Exit.USAGE

    assert "give --databases or --log" in capsys.readouterr().err


def test_a_port_that_is_taken_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        assert run(["serve", "--port", str(port)]) == Exit.USAGE

    assert "--port names another" in capsys.readouterr().err


def test_a_directory_that_cannot_be_made_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["serve", "--databases", str(tmp_path / "no" / "databases")]) == Exit.USAGE

    assert f"the directory {tmp_path}/no/databases: No such file" in capsys.readouterr().err


def test_the_extra_installs_the_service_with_the_versions_that_it_is_tested_with() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extra = set(project["project"]["optional-dependencies"]["server"])
    groups = project["dependency-groups"]
    waitress = [one for one in groups["local"] if str(one).startswith("waitress")]

    assert extra - {"click>=8.1"} == {*groups["service"], *waitress}
    assert all("==" in one for one in extra - {"click>=8.1"})


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("0.0.0.0", "set SQLATCH_HTTP_AUTH=token, or listen on 127.0.0.1"),
        ("::", "set SQLATCH_HTTP_AUTH=token, or listen on 127.0.0.1"),
        ("node1", "'node1' is not an IP address of this machine; --name names it"),
    ],
)
def test_an_address_that_others_reach_is_refused_where_no_token_is_needed(
    host: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)

    assert run(["serve", "--port", "0", "--host", host]) == Exit.USAGE

    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_address_that_others_reach_is_served_to_those_with_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLATCH_HTTP_AUTH", "token")
    with served(tmp_path, "--host", "0.0.0.0", "--name", "node1") as (variables, _log):
        assert variables["SQLATCH_URL"].startswith("http://node1:")
        url = variables["SQLATCH_URL"].replace("node1", "127.0.0.1")
        with connect(url, token=variables["SQLATCH_TOKEN"]) as client:
            assert client.execute("CREATE TABLE t (n)").meta["wrote"]
        with connect(url) as stranger, pytest.raises(Unauthorized):
            stranger.query("SELECT 1")
