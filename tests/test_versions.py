"""Two versions of the service side by side, as while traffic moves: this one, and the last release.

Both run in processes of their own on one directory with one lease table.
"""

import json
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from tests.cloudformation import ROOT
from tests.hrana.client import Client, execute
from tests.hrana.conftest import PUBLIC, token
from tests.instance import Died, Instance

RELEASE = "fb13a0439ffc808712d1a3997964250bc4c20e69"
WRITES = 25
SHORT_MS = 500
"""Of the request that is killed: its lease stands so much longer."""

HOT = bytes.fromhex("d9d505f920a163d7")
"""What a journal begins with that SQLite would roll back."""

Start = Callable[..., Instance]
BOTH_WAYS = pytest.mark.parametrize(("first", "second"), list(permutations(["old", "new"])))


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of the last release, from this repository's history."""
    archive = subprocess.run(["git", "archive", RELEASE], cwd=ROOT, capture_output=True)
    if archive.returncode:
        pytest.skip(f"the history has no {RELEASE}: a shallow clone (git fetch --unshallow)?")
    path = tmp_path_factory.mktemp("release")
    subprocess.run(["tar", "-x", "-C", path], input=archive.stdout, check=True)
    return path


@pytest.fixture
def start(
    environment: dict[str, str], release: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Start]:
    """Start an instance of the old version or of the new one."""
    monkeypatch.setenv("SQLATCH_TOKEN_KEYS", PUBLIC)
    trees = {"old": release, "new": ROOT}
    with ExitStack() as instances:

        def start(version: str, module: str = "handler.query") -> Instance:
            return instances.enter_context(
                Instance(environment, code=trees[version], module=module)
            )

        yield start


@pytest.mark.lease_tables
def test_writes_of_both_in_turn_and_at_once_are_all_there(start: Start) -> None:
    old, new = start("old"), start("new")
    old({"query": "CREATE TABLE log (id INTEGER PRIMARY KEY, who TEXT, turn INTEGER)"})

    def write(who: str, instance: Instance, turn: int) -> Any:
        insert = "INSERT INTO log (who, turn) VALUES (?, ?) RETURNING id"
        return instance({"query": insert, "parameters": [who, turn]})["rows"][0][0]

    for turn in range(3):
        write("old", old, turn)
        write("new", new, turn)
    with ThreadPoolExecutor(2) as threads:
        written = [
            threads.submit(lambda who, instance: [
                write(who, instance, turn) for turn in range(3, WRITES)
            ], who, instance)
            for who, instance in (("old", old), ("new", new))
        ]  # fmt: skip
        ids = [number for done in written for number in done.result()]

    assert len(set(ids)) == 2 * (WRITES - 3)
    counts = "SELECT who, count(DISTINCT turn) FROM log GROUP BY who ORDER BY who"
    for instance in (old, new):
        assert instance({"query": counts})["rows"] == [["new", WRITES], ["old", WRITES]]
        assert instance({"query": "PRAGMA integrity_check"})["rows"] == [["ok"]]


@pytest.mark.lease_tables
@BOTH_WAYS
def test_what_one_remembers_the_other_replays(start: Start, first: str, second: str) -> None:
    one, other = start(first), start(second)
    one({"query": "CREATE TABLE t (n)"})
    write = {
        "query": "INSERT INTO t VALUES (?) RETURNING n",
        "parameters": [1],
        "idempotency_key": "k",
    }
    message = {
        "messageId": "m", "body": '{"query": "INSERT INTO t VALUES (2)"}',
        "eventSource": "aws:sqs", "attributes": {},
    }  # fmt: skip

    answers = [instance(write) for instance in (one, other)]
    batches = [instance({"Records": [message]}) for instance in (one, other)]

    assert [answer["rows"] for answer in answers] == [[[1]], [[1]]]
    assert [answer["meta"]["replayed"] for answer in answers] == [False, True]
    assert batches == [{"batchItemFailures": []}] * 2
    assert other({"query": "SELECT n FROM t"})["rows"] == [[1], [2]]


def test_a_transaction_of_the_old_version_is_expired_for_the_new_one(start: Start) -> None:
    old, new = start("old"), start("new")
    status, body = commit_elsewhere(old, new)

    assert (status, body["code"]) == (400, "STREAM_EXPIRED")
    assert new(COUNT)["rows"] == [[0]]


def test_a_transaction_of_the_new_version_fails_in_the_old_one(start: Start) -> None:
    """That release has one key for the batons of all databases, and takes this one for forged."""
    old, new = start("old"), start("new")
    status, body = commit_elsewhere(new, old)

    assert (status, body["code"]) == (400, "BAD_BATON")
    assert old(COUNT)["rows"] == [[0]]


COUNT = {"query": "SELECT count(*) FROM t"}


def commit_elsewhere(one: Instance, other: Instance) -> Any:
    """Begin a transaction and write in one version, send its COMMIT to the other."""
    stream = Client(token(), invoke=one).stream()
    stream.execute("CREATE TABLE t (n)")
    stream.execute("BEGIN")
    stream.execute("INSERT INTO t VALUES (1)")
    answers = []
    client = Client(stream.client.token, invoke=lambda event: answers.append(other(event)) or {})
    with suppress(KeyError):  # of what is no HTTP answer
        client.send("/v3/pipeline", {"baton": stream.baton, "requests": [execute("COMMIT")]})
    (answer,) = answers
    return (answer["statusCode"], json.loads(answer["body"])) if "body" in answer else answer


@BOTH_WAYS
def test_what_a_killed_one_left_hot_the_other_rolls_back(
    start: Start, directory: Path, first: str, second: str
) -> None:
    victim, other = start(first, "tests.e2e.beside.faults"), start(second)
    victim({"query": "CREATE TABLE t (n)"})
    rows = {"query": "INSERT INTO t VALUES (?)", "parameter_sets": [[n] for n in range(1000)]}

    with pytest.raises(Died):
        victim({"fault": "exit", "event": {**rows, "timeout_ms": SHORT_MS}})
    assert (directory / "main.db-journal").read_bytes().startswith(HOT)
    other({"query": "INSERT INTO t VALUES (-1)"})

    assert other({"query": "SELECT n FROM t"})["rows"] == [[-1]]
    assert other({"query": "PRAGMA integrity_check"})["rows"] == [["ok"]]
