"""Reads that caches understand: when an answer has an ETag, and when it is not given anew."""

import json
import os
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from handler import caching
from handler.service import Service, service
from storage.connection import Session
from tests.conftest import Ask, forget
from tests.events.test_http import error_of, v2
from tests.faults import cloud_server
from tests.faults.machine import Time
from tests.forge import PUBLIC, bearer
from tests.handler.engines import engine as engine

Get = Callable[..., dict[str, Any]]
SELECT = "SELECT n FROM t ORDER BY n"
ONLY_FILES = pytest.mark.parametrize("engine", ["inplace"], indirect=True)
ONLY_LOGS = pytest.mark.parametrize("engine", ["log", "table"], indirect=True)
pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture
def get(engine: str, ask: Ask) -> Get:
    """Send a read in a URL, with headers, about a database with a table `t`."""
    ask(statements=[{"query": "CREATE TABLE t (n)"}, {"query": "INSERT INTO t VALUES (1)"}])

    def get(
        query: str = SELECT, headers: dict[str, str] | None = None, /, **fields: Any
    ) -> dict[str, Any]:
        text = urlencode({"query": query, **fields})
        return ask(v2("GET", "/read", rawQueryString=text, headers=headers or {}))

    return get


def knowing(answer: dict[str, Any]) -> dict[str, str]:
    return {"if-none-match": answer["headers"]["etag"]}


def rows(answer: dict[str, Any]) -> Any:
    assert answer["statusCode"] == 200, answer
    return json.loads(answer["body"])["rows"]


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements of callers that were prepared or run."""
    seen = []
    user = Session.user

    def noting(session: Session, sql: str = "", sets: int = 0) -> Any:
        seen.append(sql)
        return user(session, sql, sets)

    monkeypatch.setattr(Session, "user", noting)
    return seen


def test_an_answer_that_is_known_is_not_given_anew(
    get: Get, ask: Ask, statements: list[str]
) -> None:
    first = get()
    assert statements
    statements.clear()

    again = get(SELECT, knowing(first))

    assert (again["statusCode"], again["body"], statements) == (304, "", [])
    assert again["headers"] == {
        name: first["headers"][name] for name in ("etag", "cache-control", "vary")
    }
    ask(query="INSERT INTO t VALUES (2)")
    assert rows(get(SELECT, knowing(first))) == [[1], [2]]


def test_an_instance_that_never_saw_the_statement_need_not_prepare_it(
    get: Get, the_service: Service, statements: list[str]
) -> None:
    first = get()
    the_service.close()
    statements.clear()

    again = get(SELECT, knowing(first))

    assert (again["statusCode"], statements) == (304, [])


@pytest.mark.parametrize("engine", ["table"], indirect=True)
def test_what_is_not_modified_costs_one_question_to_the_log(get: Get, cloud_url: str) -> None:
    first = get()

    def asked(**fields: Any) -> dict[str, int]:
        before = Counter(cloud_server.counts(cloud_url))
        assert get(SELECT, knowing(first), **fields)["statusCode"] == 304
        return dict(Counter(cloud_server.counts(cloud_url)) - before)

    assert asked() == {"Query": 1}
    assert asked(max_age_ms=86_400_000) == {}


def test_the_answer_is_that_of_a_post(get: Get, ask: Ask) -> None:
    fields = {"parameters": [1], "rows_as": "objects", "rows_max": 1}
    query = "SELECT n, ? AS one FROM t"
    post = ask(v2("POST", "/read", json.dumps({"query": query, **fields})))

    answer = get(query, **{**fields, "parameters": "[1]"})

    bodies = [json.loads(one["body"]) for one in (post, answer)]
    for body in bodies:
        del body["meta"]["duration_ms"]
    assert bodies[0] == bodies[1]
    assert {"content-type", "cache-control"} <= set(post["headers"]) <= set(answer["headers"])


OTHER_REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("SELECT n FROM t ORDER BY n ", {}),
    (SELECT, {"rows_as": "objects"}),
    (SELECT, {"rows_max": 1}),
    (f"{SELECT} LIMIT ?", {"parameters": "[1]"}),
    (f"{SELECT} LIMIT ?", {"parameters": "[2]"}),
    (f"{SELECT} LIMIT :one", {"parameters": '{"one": 1}'}),
    (SELECT, {"database": "other"}),
]


def test_the_etag_of_one_request_is_that_of_no_other(get: Get, ask: Ask) -> None:
    ask(statements=[{"query": "CREATE TABLE t (n)"}, {"query": "INSERT INTO t VALUES (1)"}],
        database="other")  # fmt: skip
    etags = [get(query, **fields)["headers"]["etag"] for query, fields in OTHER_REQUESTS]
    etags.append(get()["headers"]["etag"])

    assert len(set(etags)) == len(etags)
    for query, fields in OTHER_REQUESTS:
        assert get(query, {"if-none-match": etags[-1]}, **fields)["statusCode"] == 200


def test_the_limits_of_freshness_and_time_change_no_etag(get: Get) -> None:
    fields: list[dict[str, Any]] = [
        {},
        {"max_age_ms": 5_000},
        {"timeout_ms": 9_000},
        {"database": "main"},
    ]

    assert len({get(**one)["headers"]["etag"] for one in fields}) == 1


@pytest.mark.parametrize("part", ["__version__", "FORM"])
def test_another_version_of_the_service_knows_no_etag_of_this_one(
    part: str, get: Get, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = get()

    monkeypatch.setattr(caching, part, "another")

    assert rows(get(SELECT, knowing(first))) == [[1]]


CHANGES = {
    "a row": "UPDATE t SET n = '1'",
    "a table": "CREATE TABLE another (n)",
    "an index": "CREATE INDEX by_n ON t (n)",
    "a vacuum": "VACUUM",
    "a pragma": "PRAGMA user_version = 5",
}


@pytest.mark.parametrize("change", CHANGES)
def test_each_commit_ends_an_etag(change: str, get: Get, ask: Ask) -> None:
    first = get()

    ask(query=CHANGES[change])

    assert get(SELECT, knowing(first))["statusCode"] == 200


def test_an_answer_that_depends_on_more_than_the_database_is_not_kept(get: Get, ask: Ask) -> None:
    ask(query="CREATE VIEW v AS SELECT n, random() FROM t")

    for query in ("SELECT n FROM v", "SELECT random()", "PRAGMA table_info(t)", "EXPLAIN SELECT 1"):
        headers = get(query, max_age_ms=5_000)["headers"]
        assert headers["cache-control"] == "no-store", query
        assert "etag" not in headers


def test_a_view_that_comes_to_depend_on_chance_ends_the_etag_of_its_answer(
    get: Get, ask: Ask
) -> None:
    ask(query="CREATE VIEW v AS SELECT n FROM t")
    first = get("SELECT n FROM v")
    ask(statements=[{"query": "DROP VIEW v"},
                    {"query": "CREATE VIEW v AS SELECT n FROM t ORDER BY random()"}])  # fmt: skip

    again = get("SELECT n FROM v", knowing(first))

    assert rows(again) == [[1]]
    assert again["headers"]["cache-control"] == "no-store"


def test_errors_are_not_kept(get: Get) -> None:
    known = {"if-none-match": 'W/"x"'}
    for query, status in (("DELETE FROM t", 403), ("SELECT", 400), ("SELECT m FROM t", 400)):
        answer = get(query, known, max_age_ms=5_000)
        assert (answer["statusCode"], answer["headers"]["cache-control"]) == (status, "no-store")
    absent = get("SELECT 1", known, database="absent")
    assert (absent["statusCode"], absent["headers"]["cache-control"]) == (404, "no-store")


@pytest.mark.parametrize(
    ("fields", "control"),
    [
        ({}, "no-cache"),
        ({"max_age_ms": 0}, "no-cache"),
        ({"max_age_ms": 999}, "no-cache"),
        ({"max_age_ms": 1_000}, "max-age=1, must-revalidate"),
        ({"max_age_ms": 86_400_000}, "max-age=86400, must-revalidate"),
    ],
)
def test_how_long_an_answer_may_be_kept_is_how_old_a_read_may_be(
    fields: dict[str, Any], control: str, stopped_time: Time, get: Get
) -> None:
    first = get(**fields)
    again = get(SELECT, knowing(first), **fields)

    assert (first["statusCode"], again["statusCode"]) == (200, 304)
    kept = [one["headers"]["cache-control"] for one in (first, again)]
    assert kept == [control, control]


@ONLY_LOGS
def test_a_cache_gets_what_the_copy_has_left_of_the_age(stopped_time: Time, get: Get) -> None:
    get(max_age_ms=5_000)
    controls = []
    for passed_s in (0.0, 0.5, 3.4, 0.2):
        stopped_time.now_s += passed_s
        controls.append(get(max_age_ms=5_000)["headers"]["cache-control"].partition(",")[0])

    # The last one leaves less than a second, so the log is asked.
    assert controls == ["max-age=5", "max-age=4", "max-age=1", "max-age=5"]


def test_a_request_with_credentials_has_an_answer_for_its_caller_alone(get: Get) -> None:
    signed = get(SELECT, {"authorization": "x"}, max_age_ms=5_000)

    assert signed["headers"]["cache-control"].startswith("private, max-age=")
    assert "authorization" in signed["headers"]["vary"]
    again = get(SELECT, {"authorization": "x", **knowing(signed)})
    assert again["headers"]["cache-control"] == "private, no-cache"


def test_a_token_is_asked_for_before_an_answer_is_known(
    ask: Ask, get: Get, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = get()
    monkeypatch.setenv("SQLATCH_TOKEN_KEYS", PUBLIC)
    monkeypatch.setenv("SQLATCH_HTTP_AUTH", "token")
    forget(service)
    now_s = time.time()
    reads, others = bearer(now_s, access="ro"), bearer(now_s, databases=["another"])

    answers = [get(SELECT, {**knowing(first), "authorization": one}) for one in (reads, others)]
    nobody = get(SELECT, knowing(first))

    assert answers[0]["statusCode"] == 304
    for refused in (answers[1], nobody):
        assert error_of(refused)[:2] == (401, "UNAUTHORIZED")
        assert refused["headers"]["cache-control"] == "no-store"


def test_head_is_answered_as_get(ask: Ask, get: Get) -> None:
    first = get()
    head = v2("HEAD", "/read", rawQueryString=urlencode({"query": SELECT}))

    assert ask(head)["headers"] == first["headers"]
    assert ask({**head, "headers": knowing(first)})["statusCode"] == 304


@ONLY_LOGS
def test_a_position_of_the_past_never_changes(ask: Ask, get: Get, stopped_time: Time) -> None:
    position = json.loads(get()["body"])["meta"]["position"]
    ask(query="INSERT INTO t VALUES (2)")

    first = get(at=position)
    again = get(SELECT, knowing(first), at=position)

    assert rows(first) == [[1]]
    assert first["headers"]["cache-control"] == "max-age=604800, immutable"
    assert (again["statusCode"], again["headers"]["etag"]) == (304, first["headers"]["etag"])
    assert get("SELECT random()", at=position)["headers"]["cache-control"] == "no-store"
    assert get(SELECT, at="f" * 16)["headers"]["cache-control"] == "no-store", "an error"


@ONLY_LOGS
def test_a_time_of_the_past_may_still_get_a_commit_of_a_clock_that_is_behind(
    ask: Ask, get: Get, stopped_time: Time
) -> None:
    get()
    stopped_time.now_s += 1
    at = datetime.fromtimestamp(stopped_time.now_s, UTC).isoformat()
    stopped_time.now_s += 1

    first = get(at=at)

    assert rows(first) == [[1]]
    assert first["headers"]["cache-control"] == "no-cache"
    assert get(SELECT, knowing(first), at=at)["statusCode"] == 304


@ONLY_LOGS
def test_a_read_waits_for_the_position_before_it_says_that_nothing_changed(
    ask: Ask, get: Get
) -> None:
    first = get()
    position = ask(query="INSERT INTO t VALUES (2)")["meta"]["position"]

    answer = get(SELECT, {**knowing(first), "sqlatch-at-least": position}, max_age_ms=86_400_000)

    assert rows(answer) == [[1], [2]]
    assert "sqlatch-at-least" in answer["headers"]["vary"]


def rewritten(file: Path, content: bytes) -> None:
    """Write a file over in place, at a time that the file system tells from the last one."""
    before_ns = file.stat().st_ctime_ns
    while file.stat().st_ctime_ns == before_ns:
        file.write_bytes(content)


@ONLY_FILES
@pytest.mark.parametrize("way", ["in place", "moved in", "copied with its time"])
def test_an_older_file_that_is_put_back_and_written_to_has_no_etag_of_before(
    way: str, get: Get, ask: Ask, directory: Path, the_service: Service
) -> None:
    """The header counts as many commits as before."""
    file = directory / "main.db"
    the_service.close()
    older, times = file.read_bytes(), file.stat()
    ask(query="INSERT INTO t VALUES (2)")
    first = get()
    the_service.close()
    header = file.read_bytes()[:100]
    if way == "moved in":
        file.with_suffix(".new").write_bytes(older)
        file.with_suffix(".new").replace(file)
    else:
        rewritten(file, older)
    if way == "copied with its time":
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    ask(query="INSERT INTO t VALUES (3)")

    answer = get(SELECT, knowing(first))

    assert file.read_bytes()[:100] == header, "the counts of the header tell them apart already"
    assert rows(answer) == [[1], [3]]


@ONLY_FILES
def test_a_file_in_wal_mode_has_no_etag(get: Get, directory: Path) -> None:
    """Commits to the WAL do not change the header, and a journal that is there hides it."""
    first = get()
    with closing(sqlite3.connect(directory / "main.db")) as other:
        other.execute("PRAGMA journal_mode = WAL")
        (directory / "main.db-journal").touch()
        answer = get(SELECT, knowing(first))

        assert rows(answer) == [[1]]
        assert answer["headers"]["cache-control"] == "no-store"


def test_a_database_that_is_made_anew_under_its_name_has_no_etag_of_before(
    get: Get, ask: Ask, the_service: Service
) -> None:
    first = get()
    ask(manage="delete", database="main")
    assert get(SELECT, knowing(first))["statusCode"] == 404
    ask(statements=[{"query": "CREATE TABLE t (n)"}, {"query": "INSERT INTO t VALUES (3)"}])

    assert rows(get(SELECT, knowing(first))) == [[3]]


@pytest.mark.parametrize("engine", ["log"], indirect=True)
def test_a_log_that_is_put_in_place_of_another_has_no_etag_of_that(
    get: Get, ask: Ask, directory: Path
) -> None:
    """Position and header are the same."""
    first = get()
    shutil.rmtree(directory / "main")
    forget(service)
    shutil.rmtree(directory.with_name("copies"))
    directory.with_name("copies").mkdir()
    ask(statements=[{"query": "CREATE TABLE t (n)"}, {"query": "INSERT INTO t VALUES (3)"}])

    answer = get(SELECT, knowing(first))

    assert rows(answer) == [[3]]
    assert answer["headers"]["sqlatch-position"] == first["headers"]["sqlatch-position"]
