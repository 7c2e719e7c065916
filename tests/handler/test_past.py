"""Reads of the past through the handler, on logs in a directory and in DynamoDB and S3."""

import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from handler.reaper import reap
from handler.record import Record
from handler.service import service
from storage.log import compaction
from storage.log.archive import Archive
from storage.log.bucket_archive import BucketArchive
from tests.conftest import Ask, forget
from tests.dynamodb_server import CREDENTIALS, create_log


@pytest.fixture(params=["directory", "table"], autouse=True)
def logs(
    environment: dict[str, str],
    directory: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SQLATCH_DATABASES", raising=False)
    monkeypatch.setenv("SQLATCH_LOG", f"directory:{directory}")
    (directory.with_name("copies")).mkdir(exist_ok=True)
    monkeypatch.setenv("SQLATCH_COPIES", str(directory.with_name("copies")))
    if request.param == "table":
        url = request.getfixturevalue("cloud_url")
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": url}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("SQLATCH_LOG", create_log(url, f"log-{uuid4()}"))


def now() -> str:
    """Return a time behind all that was done, and before all that is done."""
    time.sleep(0.002)
    at = datetime.now(UTC).isoformat()
    time.sleep(0.002)
    return at


class Moments:
    """A table to which rows are added: the position and a time behind each commit."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self.before = now()
        self.positions: list[str] = []
        self.times: list[str] = []
        self._commit("CREATE TABLE t (n)")

    def add(self, rows: int) -> None:
        for n in range(rows):
            self._commit("INSERT INTO t VALUES (?)", n)

    def check(self) -> None:
        """Read every state, by its position and by its time."""
        for rows, moment in enumerate(zip(self.positions, self.times, strict=True)):
            for at in moment:
                reply = self._ask(query="SELECT count(*) FROM t", at=at)
                assert (reply["rows"], reply["meta"]["position"]) == ([[rows]], moment[0])
        assert self._ask(query="SELECT count(*) FROM t")["meta"]["position"] == self.positions[-1]

    def _commit(self, query: str, *parameters: Any) -> None:
        self.note(self._ask(query=query, parameters=list(parameters))["meta"]["position"])

    def note(self, position: str) -> None:
        self.positions.append(position)
        self.times.append(now())


@pytest.fixture
def moments(ask: Ask) -> Moments:
    moments = Moments(ask)
    moments.add(3)
    return moments


def pass_of_the_reaper() -> None:
    reap(service(), Record("r", "schedule"), ends_at_s=time.time() + 60)


def test_a_state_is_read_by_its_position_and_by_its_time(moments: Moments) -> None:
    moments.check()


def test_it_is_read_when_the_reaper_has_merged_its_records(moments: Moments) -> None:
    pass_of_the_reaper()
    moments.add(3)
    moments.check()
    pass_of_the_reaper()
    moments.add(2)
    moments.check()


def test_it_is_read_when_its_records_are_gone_from_the_log(
    moments: Moments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "RECORDS_KEPT_S", -1)
    for _pass in range(3):
        pass_of_the_reaper()
        moments.add(2)
    pass_of_the_reaper()
    forget(service)
    moments.check()


def test_what_writes_is_refused(moments: Moments, refused: Ask) -> None:
    error = refused(query="INSERT INTO t VALUES (9)", at=moments.positions[0])

    assert error["code"] == "READ_ONLY"
    moments.check()


@pytest.mark.parametrize("wrong", ["yesterday", "2026-11-22T10:15:00", "123"])
def test_what_is_no_moment_is_refused(moments: Moments, refused: Ask, wrong: str) -> None:
    error = refused(query="SELECT 1", at=wrong)

    assert (error["code"], error["field"]) == ("BAD_EVENT", "at")


def test_a_moment_that_is_not_there_is_refused(moments: Moments, refused: Ask) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()

    for at in (moments.before, tomorrow, f"{99:016x}"):
        error = refused(query="SELECT 1", at=at)
        assert (error["code"], error["field"]) == ("BAD_EVENT", "at"), at
    moments.check()


def history(ask: Ask, **fields: Any) -> list[str]:
    reply = ask(history=True, database="main", **fields)
    return [commit["position"] for commit in reply["commits"]]


def test_the_history_names_each_commit_newest_first(
    ask: Ask, moments: Moments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "RECORDS_KEPT_S", -1)
    newest_first = moments.positions[::-1]
    assert history(ask) == newest_first
    for _pass in range(2):
        pass_of_the_reaper()
        moments.add(2)
    newest_first = moments.positions[::-1]

    assert history(ask) == newest_first
    assert history(ask, most=3) == newest_first[:3]
    assert history(ask, before=newest_first[3], most=2) == newest_first[4:6]
    commit = ask(history=True, database="main", most=1)["commits"][0]
    assert commit["bytes"] > 0
    assert moments.times[-2] < commit["at"] <= moments.times[-1]


def test_a_branch_is_what_the_database_was_and_goes_its_own_way(
    ask: Ask, moments: Moments, refused: Ask
) -> None:
    pass_of_the_reaper()
    moments.add(2)
    for rows, at in ((1, moments.positions[1]), (4, moments.times[4]), (5, None)):
        name = f"then-{rows}"
        reply = ask(branch=name, database="main", **({"at": at} if at else {}))
        assert reply == {"database": "main", "branch": name, "position": moments.positions[rows]}
        assert ask(query="SELECT count(*) FROM t", database=name)["rows"] == [[rows]]
        ask(query="DELETE FROM t", database=name)
    moments.check()

    again = refused(branch="then-1", database="main")
    assert (again["code"], again["field"]) == ("BAD_EVENT", "database")
    assert refused(branch="new", database="none")["code"] == "DATABASE_NOT_FOUND"
    assert refused(branch="new", database="main", at=f"{99:016x}")["code"] == "BAD_EVENT"
    assert sorted(service().databases.names()) == ["main", "then-1", "then-4", "then-5"]


def test_the_state_before_a_replacement_and_the_one_behind_it_are_read(
    ask: Ask, moments: Moments, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.executescript("CREATE TABLE t (n); INSERT INTO t VALUES (7), (8), (9), (10);")
    database = service().databases.get("main")
    with service().writing("main", Record("r", "direct"), time.time() + 60) as grant:
        database.replace(tmp_path / "other.db", grant)
    moments.note(ask(query="SELECT 1")["meta"]["position"])
    moments.add(1)

    moments.check()
    pass_of_the_reaper()
    moments.check()


def test_a_database_that_was_deleted_and_made_again_has_its_whole_past(
    ask: Ask, moments: Moments, refused: Ask
) -> None:
    ask(manage="delete", database="main")
    gone_at = now()
    made = ask(query="CREATE TABLE u (m)")["meta"]["position"]

    assert [ask(query="SELECT count(*) FROM t", at=at)["rows"] for at in moments.positions] == [
        [[0]], [[1]], [[2]], [[3]],
    ]  # fmt: skip
    assert ask(query="SELECT count(*) FROM u", at=made)["rows"] == [[0]]
    error = refused(query="SELECT count(*) FROM t", at=gone_at)
    assert (error["code"], error["retryable"]) == ("DATABASE_NOT_FOUND", False)
    assert refused(branch="new", database="main", at=gone_at)["code"] == "DATABASE_NOT_FOUND"
    assert history(ask)[0] == made


def test_a_history_of_files_alone_is_listed_once(
    ask: Ask, moments: Moments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLATCH_HISTORY_DAYS", "0")
    monkeypatch.setattr(compaction, "RECORDS_KEPT_S", -1)
    forget(service)
    for _pass in range(8):
        pass_of_the_reaper()
        moments.add(1)
    listings = []
    for archive in (Archive, BucketArchive):
        files = archive.files
        monkeypatch.setattr(
            archive, "files", lambda self, files=files: listings.append(1) or files(self)
        )

    assert history(ask)[:2] == moments.positions[:-3:-1]
    assert len(listings) < 6


def test_a_result_of_the_past_is_read_in_pages_while_others_commit(
    moments: Moments, ask: Ask, refused: Any
) -> None:
    query = "SELECT n, abs(random()) % 1000 AS chance FROM t ORDER BY chance"
    for at in (moments.positions[-1], moments.times[-1]):
        rows, page = [], "first"
        while page is not None:
            reply = ask(query=query, page=page, rows_max=1, at=at)
            assert reply["meta"]["position"] == moments.positions[3]
            rows += reply["rows"]
            page = reply["page"]["next"]
            ask(query="DELETE FROM t")
            ask(query="SELECT count(*) FROM t", page="first")
        assert sorted(n for n, _chance in rows) == [0, 1, 2]
        assert [chance for _n, chance in rows] == sorted(chance for _n, chance in rows)
    page = ask(query=query, page="first", rows_max=1, at=moments.positions[3])["page"]["next"]
    error = refused(query=query, page=page, rows_max=1, at=moments.positions[2])
    assert error["code"] == "DATABASE_CHANGED"
