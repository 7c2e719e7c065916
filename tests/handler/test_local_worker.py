"""A worker of the local server: an answer for each event, whatever the event is."""

import json
import logging
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

from handler.local_worker import CHECK, WAITS, Plain
from handler.settings import LEASES_FILE
from locking.clock import Clock
from locking.leases import Leases
from locking.sqlite import SQLiteTable
from sqlatch.server.schedule import EVENT as SCHEDULED
from tests import local_server

WORKER = [sys.executable, "-m", "handler.local_worker"]


def worked(*events: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        WORKER,
        cwd=local_server.ROOT,
        env=os.environ,
        input="".join(json.dumps(event) + "\n" for event in events),
        capture_output=True,
        text=True,
        check=True,
    )


def answers(*events: Any) -> list[Any]:
    return [json.loads(line) for line in worked(*events).stdout.splitlines()]


def test_each_event_is_answered_in_turn_also_behind_one_that_raises(
    environment: dict[str, str],
) -> None:
    broken = {"no": "field of a request, which is raised for a direct caller"}

    problem, made, failed, read = answers(
        CHECK,
        local_server.event("CREATE TABLE t AS SELECT char(10, 0xDE) AS text"),
        broken,
        local_server.event("SELECT text FROM t"),
    )

    assert problem is None
    assert [answer["statusCode"] for answer in (made, failed, read)] == [200, 500, 200]
    assert failed["body"] == '{"message": "Internal Server Error"}'
    assert json.loads(read["body"])["rows"] == [["\n\u00de"]]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"database": "main", "kind": "read", "rows": 12}, "read main 1.5 ms 12 rows"),
        ({"database": "main", "kind": "read"}, "read main 1.5 ms 0 rows"),
        ({"database": "main", "kind": "write"}, "write main 1.5 ms ok"),
        ({"kind": "health"}, "health 1.5 ms ok"),
        ({"database": "main", "kind": "write", "code": "TIMEOUT", "cause": "late"},
         "write main 1.5 ms TIMEOUT: late"),
        ({"code": "BAD_EVENT"}, "http 1.5 ms BAD_EVENT"),
        ({"kind": "reap", "leases_reaped": 1, "records_purged": 20},
         "reap 1.5 ms 1 expired leases, 20 old records"),
        ({"kind": "reap", "hot_journals_recovered": 2, "code": "STORAGE_ERROR", "cause": "full"},
         "reap 1.5 ms 2 journals rolled back, STORAGE_ERROR: full"),
    ],
)  # fmt: skip
def test_a_line_is_for_people(fields: dict[str, Any], said: str) -> None:
    line = logging.makeLogRecord({"fields": {"door": "http", "duration_ms": 1.5} | fields})

    assert Plain().format(line).split()[1:] == said.split()


def test_a_writer_that_nobody_listens_to_any_more_writes_and_gives_its_lease_back(
    directory: Path, environment: dict[str, str]
) -> None:
    """As when its server is killed while it waits for the lease."""
    worked(local_server.event("CREATE TABLE t (n)"))
    clock = Clock()
    with (
        closing(Leases(SQLiteTable(directory / LEASES_FILE), clock=clock)) as leases,
        subprocess.Popen(
            WORKER, cwd=local_server.ROOT, env=os.environ, stdin=PIPE, stdout=PIPE, stderr=PIPE
        ) as worker,
    ):
        assert worker.stdin is not None
        assert worker.stdout is not None
        assert worker.stderr is not None
        with leases.hold("main", holder="another", deadline_s=clock.now() + 60):
            event = local_server.event("INSERT INTO t VALUES (7)")
            worker.stdin.write(json.dumps(event).encode() + b"\n")
            worker.stdin.close()
            assert json.loads(worker.stdout.readline()) == {WAITS: "main"}
            worker.stdout.close()
        said = worker.stderr.read().decode()

        assert worker.wait() == 0
        assert [line.split()[1] for line in said.splitlines()] == ["write"]
        assert leases.held() == []
    assert json.loads(answers(local_server.event("SELECT n FROM t"))[0]["body"])["rows"] == [[7]]


def test_a_run_of_the_reaper_leaves_a_line_only_if_there_is_something_to_say(
    directory: Path, environment: dict[str, str]
) -> None:
    made = local_server.event("CREATE TABLE t (n)")

    quiet = worked(made, SCHEDULED)
    (directory / "broken.db").write_bytes(b"no database" * 100)
    loud = worked(SCHEDULED)

    assert json.loads(quiet.stdout.splitlines()[1])["databases"] == 1
    assert [line.split()[1] for line in quiet.stderr.splitlines()] == ["write"]
    assert [line.split()[1] for line in loud.stderr.splitlines()] == ["reap"]
    assert "DATABASE_CORRUPT: " in loud.stderr
