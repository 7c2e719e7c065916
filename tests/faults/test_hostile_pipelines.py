"""Whatever a libSQL client sends: a named error or a right answer; what is refused changes nothing.

The short run is in the suite; SQLATCH_FAULTS_SEED begins another one.
"""

import base64
import gzip
import json
import os
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from handler import local
from handler.service import service
from sqlatch.kernel.errors import SqlatchError
from tests.conftest import Ask, forget
from tests.faults.hostile_pipelines import Hostile, Sent
from tests.faults.log_images import image_of
from tests.faults.report import FULL, record
from tests.forge import PRIVATE, PUBLIC, bearer
from tests.storage.sessions import sessions_of

EVENTS_SHORT, EVENTS = 1_500, 100_000 if FULL else 5_500
SEED = int(os.environ.get("SQLATCH_FAULTS_SEED", "1"))
AGAIN = 5_000
"""After so many events the databases are made anew: statements drop tables, and rows pile up."""


@pytest.fixture
def bearers(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("SQLATCH_TOKEN_KEYS", PUBLIC)
    monkeypatch.setenv("SQLATCH_TIMEOUT_MS", "2000")
    monkeypatch.setenv("SQLATCH_RESULT_BYTES_MAX", "50000")
    now_s = time.time()
    return [
        bearer(now_s, exp=now_s + 86_400),
        bearer(now_s, exp=now_s + 86_400, access="ro"),
        bearer(now_s, exp=now_s + 86_400, databases=["other"]),
        "", "Bearer", "Bearer x.y.z", "Bearer \ud800", PRIVATE[:50],
    ]  # fmt: skip


@pytest.mark.parametrize("environment", ["sqlite"], indirect=True)
def test_a_hostile_request_gets_a_named_error_or_a_right_answer(
    bearers: list[str], directory: Path
) -> None:
    sent(EVENTS_SHORT, SEED, bearers, directory)


@pytest.mark.slow
@pytest.mark.parametrize("environment", ["sqlite"], indirect=True)
def test_a_hostile_request_on_a_log_gets_a_named_error_or_a_right_answer(
    bearers: list[str], directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SQLATCH_DATABASES")
    monkeypatch.setenv("SQLATCH_LOG", f"directory:{directory}")
    monkeypatch.setenv("SQLATCH_COPIES", str(directory.parent))
    forget(service)
    counts = sent(EVENTS if FULL else EVENTS_SHORT, SEED + 2, bearers, directory)

    record("hostile_pipelines_in_a_log", requests=sum(counts.values()))


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("environment", ["sqlite"], indirect=True)
def test_hostile_requests_by_the_thousand(bearers: list[str], directory: Path) -> None:
    counts = sent(EVENTS, SEED + 1, bearers, directory)
    record("hostile_pipelines", requests=sum(counts.values()), **dict(sorted(counts.items())))


def sent(events: int, seed: int, bearers: list[str], directory: Path) -> Counter[str]:
    """Send so many requests and check each; what came of them, by door and code."""
    counts: Counter[str] = Counter()
    hostile = Hostile(seed, bearers)
    for number in range(events):
        if number % AGAIN == 0:
            make_anew(directory)
        one = hostile.next()
        before = contents(directory)
        try:
            code, baton = what_comes_of(one)
            if code != "answered":
                assert contents(directory) == before, "nothing of it was done, and it wrote"
            assert service().leases.held() == []
            assert not any_transaction()
        except BaseException as error:
            raise AssertionError(f"seed {seed}, number {number}: {one!r:.20000}") from error
        counts[f"{'direct' if one.is_direct else 'http'}: {code}"] += 1
        if baton is not None:
            hostile.batons.append(baton)
    return counts


def make_anew(directory: Path) -> None:
    service().close()
    service.cache_clear()
    for path in directory.glob("*.db*"):
        path.unlink()
    # With the copies: who prepared a statement on one is told that the database was removed.
    logs = [log.parent for log in directory.glob("*/log")]
    for path in [*logs, *directory.parent.glob("sqlatch-*")]:
        shutil.rmtree(path)
    local.invoke({
        "statements": [
            {"query": "CREATE TABLE t (id INTEGER PRIMARY KEY, n UNIQUE)"},
            {"query": "INSERT INTO t VALUES (1, 1)"},
        ]
    })  # fmt: skip


def what_comes_of(one: Sent) -> tuple[str, str | None]:
    """The code of a refusal, or `answered`, and the baton. Anything else is a bug."""
    if one.is_direct:
        try:
            body = local.invoke(one.event)
        except SqlatchError as error:
            said = error.body()
            json.dumps(said, allow_nan=False).encode()
            return str(said.get("refusal") or said["code"]), None
    else:
        answer = local.invoke(one.event)
        content = answer["body"].encode()
        if answer["isBase64Encoded"]:
            content = gzip.decompress(base64.b64decode(content))
        if answer["statusCode"] != 200:
            body = json.loads(content)
            assert sorted(body) == ["code", "message"] or sorted(body) == ["error"], body
            said = body.get("error", body)
            assert said["code"], body
            assert said["message"], body
            return str(said["code"]), None
        if answer["headers"]["content-type"] == "application/x-ndjson":
            lines = [json.loads(line) for line in content.splitlines()]
            return "answered", lines[0]["baton"]
        body = json.loads(content)
    json.dumps(body, allow_nan=False).encode()
    results = body.get("results")
    if results is None:
        return "answered", None
    if not one.is_broken:
        assert len(results) == len(one.types or ())
    for result in results:
        check_result(result)
    done = any(map(has_done, results)) or "sequence" in (one.types or ["sequence"])
    return "answered" if done or one.is_broken else "errors", body["baton"]


def has_done(result: dict[str, Any]) -> bool:
    """Return whether a statement ran without an error. A script's may, before one that fails."""
    if result["type"] == "error":
        return False
    if result["response"]["type"] == "batch":
        return any(result["response"]["result"]["step_results"])
    return result["response"]["type"] == "execute"


def check_result(result: dict[str, Any]) -> None:
    if result["type"] == "error":
        check_error(result["error"])
        return
    assert result["type"] == "ok"
    response = result["response"]
    if response["type"] == "execute":
        check_outcome(response["result"])
    if response["type"] == "batch":
        both = response["result"]
        for outcome, error in zip(both["step_results"], both["step_errors"], strict=True):
            assert outcome is None or error is None
            if error is not None:
                check_error(error)
            if outcome is not None:
                check_outcome(outcome)


def check_outcome(outcome: dict[str, Any]) -> None:
    assert all(len(row) == len(outcome["cols"]) for row in outcome["rows"])
    assert isinstance(outcome["affected_row_count"], int)
    assert isinstance(outcome["last_insert_rowid"], str | None)


def check_error(error: dict[str, Any]) -> None:
    assert sorted(error) == ["code", "message"]
    assert error["code"] in CODES, error
    assert isinstance(error["message"], str)


CODES = {
    "ARGS_INVALID", "BLOCKED", "DATABASE_NOT_FOUND", "RESPONSE_TOO_LARGE", "SQLITE_BUSY",
    "SQLITE_CONSTRAINT",
    "SQLITE_ERROR", "SQLITE_INTERRUPT", "SQLITE_MISMATCH", "SQLITE_RANGE", "SQLITE_READONLY",
    "SQLITE_TOOBIG", "SQL_MANY_STATEMENTS", "SQL_NOT_FOUND", "SQL_NO_STATEMENT",
    "SQL_STORE_TOO_LARGE", "TRANSACTION_TOO_LARGE",
}  # fmt: skip


def contents(directory: Path) -> dict[str, bytes]:
    """The files of the databases, or the segments of their logs: a commit changes one of them."""
    files = {path.name: path.read_bytes() for path in directory.glob("*.db")}
    logs = {log for log in directory.glob("*/log") if log.is_dir()}
    return files | {f"{log}/{name}": file for log in logs for name, file in image_of(log).items()}


def any_transaction() -> bool:
    """Return whether a connection was left in a transaction."""
    databases = service().databases._open.values()
    stores = [database._store for database in databases]
    stores += [one.interactive._store for one in databases if "interactive" in one.__dict__]
    sessions = [session for store in stores for session in sessions_of(store)]
    return any(session and session.connection.in_transaction for session in sessions)
