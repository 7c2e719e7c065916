"""uid() through the service: defaults, replies, retries, libSQL, and eight processes."""

import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from handler import local
from handler.service import service
from sqlatch.kernel.errors import SqlatchError
from storage import uids
from tests.conftest import Ask, forget
from tests.faults.report import FULL
from tests.hrana.client import Client
from tests.hrana.conftest import PUBLIC, token

TABLE = "CREATE TABLE ids (n INTEGER PRIMARY KEY, id INT NOT NULL DEFAULT (uid()), by TEXT)"
INSERT = "INSERT INTO ids (by) VALUES (?) RETURNING id"

PROCESSES = 8
COMMITS = 4
KILLS = 5 if FULL else 1
TIMEOUT_MS = 500
"""Of each process that ends by itself."""


@pytest.fixture
def table(ask: Ask) -> None:
    ask(query=TABLE)


def ids(ask: Ask) -> list[int]:
    return [id for (id,) in ask(query="SELECT id FROM ids ORDER BY n")["rows"]]


@pytest.mark.usefixtures("table")
def test_a_repeat_gets_the_id_of_the_first_reply(ask: Ask) -> None:
    event = {"query": INSERT, "parameters": ["a"], "idempotency_key": "k"}

    first, again = ask(event), ask(event)

    assert again["meta"]["replayed"]
    assert [*first["rows"], *ask(query=INSERT, parameters=["b"])["rows"]] == [
        [id] for id in ids(ask)
    ]
    assert again["rows"] == first["rows"]


def test_a_primary_key_that_is_no_rowid_gets_its_default(ask: Ask) -> None:
    ask(query="CREATE TABLE nodes (id INT PRIMARY KEY DEFAULT (uid()), name TEXT) WITHOUT ROWID")

    reply = ask(
        query="INSERT INTO nodes (name) VALUES (?) RETURNING id", parameter_sets=[["a"], ["b"]]
    )

    assert reply["rows_affected"] == 2
    kept = [id for (id,) in ask(query="SELECT id FROM nodes ORDER BY name")["rows"]]
    assert kept == sorted(set(kept))
    assert abs(kept[0] / (1 << 22) + uids.EPOCH_MS - time.time() * 1000) < 3_600_000


@pytest.mark.usefixtures("table")
def test_a_statement_that_reads_is_refused_with_the_next_step(refused: Ask) -> None:
    error = refused(query="SELECT uid()")

    assert error["code"] == "STATEMENT_ERROR"
    assert "RETURNING" in error["message"]


@pytest.mark.usefixtures("table")
def test_a_libsql_transaction_keeps_the_ids_that_its_client_has_seen(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLATCH_TOKEN_KEYS", PUBLIC)
    forget(service)
    stream = Client(token()).stream()
    stream.execute("BEGIN")
    seen = [int(stream.execute(INSERT, by)["rows"][0][0]["value"]) for by in ("a", "b")]
    stream.execute("COMMIT")

    assert ids(ask) == seen == sorted(seen)
    assert ask(query=INSERT, parameters=["c"])["rows"][0][0] > seen[-1]


@pytest.mark.usefixtures("table")
def test_a_libsql_transaction_whose_ids_others_would_follow_is_refused(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its client has seen an id that would be smaller than one that is committed."""
    monkeypatch.setenv("SQLATCH_TOKEN_KEYS", PUBLIC)
    forget(service)
    stream = Client(token()).stream()
    stream.execute("BEGIN")
    stream.execute(INSERT, "a")
    ask(query=INSERT, parameters=["b"])

    with pytest.raises(AssertionError, match="SQLITE_BUSY"):
        stream.execute("COMMIT")
    assert len(ids(ask)) == 1


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("keeps", [True, False])
def test_eight_processes_that_are_killed_and_whose_clocks_step_repeat_no_id(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, keeps: bool
) -> None:
    """Without the last id in the database, they do."""
    if not keeps:
        monkeypatch.setattr(uids.Uids, "keep", lambda _self: None)
    at_ms = int(time.time() * 1000)
    behind = uids.behind
    monkeypatch.setattr(
        uids, "behind", lambda last, _now_ms: behind(last, at_ms + random.randrange(3))
    )
    service().close()
    notes = os.open(tmp_path / "notes", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    running = {forked(notes, number) for number in range(PROCESSES)}
    for pid in list(running)[:KILLS]:
        killed_after_a_commit(pid, tmp_path / "notes")
        running.discard(pid)
        running.add(forked(notes, pid))
    assert {os.waitpid(pid, 0)[1] for pid in running} == {0}

    told = [line.split()[1] for line in (tmp_path / "notes").read_text().splitlines()]
    kept = ids(ask)
    assert len(kept) >= PROCESSES * COMMITS * 2
    assert {int(id) for id in told} <= set(kept)
    assert (kept == sorted(set(kept))) == keeps


def forked(notes: int, number: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        random.seed(number)
        customer(notes)
        status = 0
    finally:
        os._exit(status)


def customer(notes: int) -> None:
    service.cache_clear()
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - until it ends
    commits = 0
    while commits < COMMITS:
        statements = [{"query": INSERT, "parameters": ["a"]}] * 2
        try:
            reply: Any = local.invoke({"statements": statements, "timeout_ms": TIMEOUT_MS})
        except SqlatchError:
            continue
        commits += 1
        for result in reply["results"]:
            os.write(notes, f"{os.getpid()} {result['rows'][0][0]}\n".encode())


def killed_after_a_commit(pid: int, notes: Path) -> None:
    """Kill a process that has told of a commit, in the midst of whatever it does then."""
    while not any(line.startswith(f"{pid} ") for line in notes.read_text().splitlines()):
        time.sleep(0.002)
        if os.waitpid(pid, os.WNOHANG)[0]:
            return  # it failed, and its commits are missed
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
