"""A whole result by a link: a file in a bucket, exact, and nothing is left of one that failed."""

import csv
import gzip
import io
import json
import os
import re
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from handler.service import service
from sqlatch.kernel.aws import written
from sqlatch.kernel.aws.answer import Answer
from sqlatch.kernel.aws.service import Service as AwsService
from sqlatch.kernel.aws.signature import Request
from sqlatch.kernel.aws.written import PART_BYTES
from tests.cloudformation import given, load, rendered
from tests.conftest import Ask, forget
from tests.events.test_http import error_of, v2
from tests.forge import PUBLIC, bearer
from tests.handler.test_pages import by_http
from tests.results import PREFIX, bucket_at

ALL = "SELECT * FROM t ORDER BY n"
LONG = "WITH RECURSIVE i (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM i WHERE n < ?)"
LARGE = f"{LONG} SELECT n, printf('%01000000d', n) AS filling FROM i"
LARGE_ROWS = 18
"""Of LARGE: 18 MB, in three parts."""

EXACT: list[dict[str, Any]] = [
    {"n": 1, "word": "one", "part": 0.5, "raw": {"base64": "AP8="}},
    {"n": 2, "word": "", "part": {"real": "-Infinity"}, "raw": {"base64": ""}},
    {"n": 4, "word": None, "part": 2.0, "raw": "Infinity"},
    {"n": 2**63 - 1, "word": 'a "b",\nc é😀', "part": 1e-7, "raw": None},
]
CSV = (
    "n,word,part,raw\n"
    "1,one,0.5,AP8=\n"
    '2,"",-9e999,""\n'
    "4,,2.0,Infinity\n"
    '9223372036854775807,"a ""b"",\nc é😀",1e-07,\n'
)

Fail = Callable[[str, Answer | None], None]


@pytest.fixture
def bucket(environment: dict[str, str], moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The bucket of the results, as its owner sees it."""
    bucket = bucket_at(moto_url, monkeypatch)
    forget(service)
    return bucket


@pytest.fixture
def table(ask: Ask, bucket: Any) -> None:
    sets = [list(row.values()) for row in EXACT]
    ask(
        statements=[
            {"query": "CREATE TABLE t (n INTEGER PRIMARY KEY, word, part, raw)"},
            {"query": "INSERT INTO t VALUES (?, ?, ?, ?)", "parameter_sets": sets},
        ]
    )


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Fail:
    """Have S3 give an answer to a call, `part 2` say, once if it may pass; None: it never comes.

    An abort has all the time that a busy machine needs.
    """
    monkeypatch.setattr(written, "ABORT_S", 60.0)
    answers: dict[str, Answer | None] = {}
    send = vars(AwsService)["send"]

    def failing(self: Any, request: Request, *, deadline_s: float, **options: Any) -> Answer:
        call = call_of(request)
        failed = answers.get(call)
        if failed is None and call in answers:
            time.sleep(max(0, deadline_s - time.time()))
        if failed is None:
            answer: Answer = send(self, request, deadline_s=deadline_s, **options)
            return answer
        if failed.status == SLOW_DOWN.status:
            del answers[call]
        return failed

    monkeypatch.setattr(AwsService, "send", failing)
    return answers.__setitem__


def call_of(request: Request) -> str:
    """The call of S3 that a request is, a part with its number."""
    query = parse_qs(request.query, keep_blank_values=True)
    if "partNumber" in query:
        return f"part {query['partNumber'][0]}"
    if "uploads" in query:
        return "begin"
    if "uploadId" in query:
        return "abort" if request.method == "DELETE" else "complete"
    return request.method.lower()


def refusal(status: int, code: str) -> Answer:
    body = f"<Error><Code>{code}</Code><Message>m</Message></Error>"
    return Answer(status, {}, body.encode(), is_last=False)


DENIED = refusal(403, "AccessDenied")
SLOW_DOWN = refusal(503, "SlowDown")


def content_of(reply: dict[str, Any]) -> bytes:
    """The file that a link leads to."""
    with urllib.request.urlopen(reply["link"]["url"]) as answer:
        content: bytes = answer.read()
    assert len(content) == reply["link"]["bytes"]
    return content


def left_in(bucket: Any) -> list[Any]:
    """The objects and the unfinished uploads of a bucket."""
    return [*bucket.objects.all(), *bucket.multipart_uploads.all()]


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("door", ["direct", "http"])
@pytest.mark.parametrize("form", ["csv", "csv.gz", "jsonl", "jsonl.gz"])
def test_the_file_has_all_rows_and_the_reply_says_what_it_is(
    door: str, form: str, ask: Ask, bucket: Any
) -> None:
    asked = ask if door == "direct" else by_http(ask)
    reply = asked(query=ALL, link=form)

    content = content_of(reply)
    plain = gzip.decompress(content) if form.endswith(".gz") else content
    if form.startswith("csv"):
        assert plain.decode() == CSV
    else:
        assert [json.loads(line) for line in plain.splitlines()] == EXACT
    link, meta = reply["link"], reply.pop("meta")
    assert reply == {"columns": ["n", "word", "part", "raw"], "link": link}
    assert link == {**link, "format": form, "bytes": len(content), "rows": len(EXACT)}
    assert (meta["wrote"], meta["lease_wait_ms"]) == (False, None)
    (kept,) = (one.Object() for one in bucket.objects.all())
    assert re.fullmatch(rf"{PREFIX}/main/[0-9a-f]{{32}}\.{re.escape(form)}", kept.key)
    name = re.fullmatch(r'attachment; filename="(.+)"', kept.content_disposition)
    assert name is not None
    assert re.fullmatch(rf"main-\d{{8}}T\d{{6}}Z\.{re.escape(form)}", name[1])


@pytest.mark.usefixtures("table")
def test_the_link_ends_when_the_reply_says(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLATCH_RESULTS_MINUTES", "5")
    forget(service)

    link = ask(query=ALL, link="csv")["link"]

    (begins,), (valid_s,) = (
        parse_qs(urlsplit(link["url"]).query)[name] for name in ("X-Amz-Date", "X-Amz-Expires")
    )
    assert valid_s == "300"
    ends_at_s = time.strptime(link["ends_at"], "%Y-%m-%dT%H:%M:%SZ")
    begins_s = time.strptime(begins, "%Y%m%dT%H%M%SZ")
    assert time.mktime(ends_at_s) - time.mktime(begins_s) == 300


@pytest.mark.usefixtures("table")
def test_a_result_without_rows_is_a_file_too(ask: Ask) -> None:
    none = "SELECT n, word AS n FROM t WHERE n = 0"

    assert content_of(ask(query=none, link="csv")) == b"n,n\n"
    assert content_of(ask(query=none, link="jsonl")) == b""
    assert content_of(ask(query="SELECT 1 AS n, 2 AS n", link="jsonl")) == b'{"n":1,"n:1":2}\n'
    assert content_of(ask(query="PRAGMA foreign_keys", link="jsonl")) == b'{"foreign_keys":1}\n'


@pytest.mark.usefixtures("table")
def test_rows_max_cuts_the_file_and_the_reply_says_so(ask: Ask) -> None:
    reply = ask(query=ALL, link="jsonl", rows_max=3)

    assert [json.loads(line) for line in content_of(reply).splitlines()] == EXACT[:3]
    assert (reply["truncated"], reply["link"]["rows"]) == (True, 3)
    assert "truncated" not in ask(query=ALL, link="jsonl", rows_max=4)


@pytest.mark.usefixtures("table")
def test_a_link_is_for_one_statement_that_reads(ask: Ask, refused: Ask, bucket: Any) -> None:
    others: Any = (
        {"idempotency_key": "k"}, {"page": "first"}, {"parameter_sets": [[]]},
        {"rows_as": "objects"},
    )  # fmt: skip
    for fields in others:
        assert "`link`" in refused(query=ALL, link="csv", **fields)["message"]
    assert "`link`" in refused(statements=[{"query": ALL}], link="csv")["message"]
    assert refused(query=ALL, link="parquet")["field"] == "link"
    for sql in ("DELETE FROM t RETURNING n", "REINDEX", "VACUUM"):
        assert refused(query=sql, link="csv")["code"] == "READ_ONLY", sql
    assert refused(query="SELEC 1", link="csv")["code"] == "STATEMENT_ERROR"
    assert refused(query=ALL, link="csv", parameters=[1])["code"] == "STATEMENT_ERROR"
    assert refused(query=ALL, link="csv", database="none")["code"] == "DATABASE_NOT_FOUND"
    assert left_in(bucket) == []
    assert ask(query="SELECT count(*) FROM t")["rows"] == [[len(EXACT)]]


def test_without_a_bucket_the_refusal_names_the_setting(ask: Ask, refused: Ask) -> None:
    ask(query="CREATE TABLE t (n)")

    error = refused(query=ALL, link="csv")

    assert (error["code"], error["field"]) == ("BAD_EVENT", "link")
    assert "SQLATCH_RESULTS" in error["message"]


@pytest.mark.usefixtures("table")
def test_the_refusal_of_a_large_reply_says_that_there_are_links(
    ask: Ask, refused: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLATCH_ROWS_MAX", "3")
    forget(service)
    assert '"link": "csv"' in refused(query=ALL)["message"]
    assert ask(query=ALL, link="csv")["link"]["rows"] == len(EXACT)

    monkeypatch.delenv("SQLATCH_RESULTS")
    forget(service)
    assert '"link"' not in refused(query=ALL)["message"]


def test_a_queue_gets_no_link(ask: Ask, bucket: Any) -> None:
    message = {"messageId": "m", "body": json.dumps({"query": "SELECT 1", "link": "csv"})}

    answer = ask({"Records": [message]})

    assert answer == {"batchItemFailures": [{"itemIdentifier": "m"}]}
    assert left_in(bucket) == []


@pytest.mark.usefixtures("table")
def test_a_function_that_only_reads_makes_links(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLATCH_READ_ONLY", "true")
    forget(service)

    assert ask(query=ALL, link="csv", read_only=True)["link"]["rows"] == len(EXACT)


@pytest.mark.usefixtures("table")
def test_who_may_read_a_database_may_have_a_link_to_it_and_nobody_else(
    ask: Ask, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLATCH_TOKEN_KEYS", PUBLIC)
    monkeypatch.setenv("SQLATCH_HTTP_AUTH", "token")
    forget(service)

    def post(**permitted: Any) -> dict[str, Any]:
        headers = {"Authorization": bearer(time.time(), **permitted)}
        return ask(v2("POST", "/read", json.dumps({"query": ALL, "link": "csv"}), headers=headers))

    refused = post(databases=["another"])
    assert (error_of(refused)[:2], left_in(bucket)) == ((401, "UNAUTHORIZED"), [])
    answer = post(access="ro", databases=["main"])
    assert content_of(json.loads(answer["body"])).decode() == CSV


ACTIONS = {
    "begin": "s3:PutObject", "part": "s3:PutObject", "complete": "s3:PutObject",
    "put": "s3:PutObject", "abort": "s3:AbortMultipartUpload", "head": "s3:GetObject",
    "get": "s3:GetObject",
}  # fmt: skip


@pytest.mark.usefixtures("table")
def test_the_rights_that_the_stack_gives_are_those_that_links_use(
    ask: Ask, refused: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link itself is a GET that the role has signed."""
    template = load("template.yaml")
    parameters = given(template, LinkMinutes=60)
    role = rendered(template["Resources"]["ReadRole"]["Properties"], template, parameters)
    statements = role["Policies"][0]["PolicyDocument"]["Statement"]
    (held,) = (one for one in statements if one["Sid"] == "Results")
    used, keys = {ACTIONS["get"]}, set()
    send = vars(AwsService)["send"]

    def noting(self: Any, request: Request, **options: Any) -> Answer:
        call = call_of(request)
        used.add(ACTIONS[call.partition(" ")[0]])
        keys.add(request.path)
        answer: Answer = send(self, request, **options)
        return refusal(404, "NoSuchUpload") if call == "complete" else answer

    monkeypatch.setattr(AwsService, "send", noting)
    prefix = held["Resource"].partition("/")[2].rstrip("*")
    monkeypatch.setenv("SQLATCH_RESULTS", f"{os.environ['SQLATCH_RESULTS']}/{prefix}")
    forget(service)

    ask(query=ALL, link="csv")
    ask(query=LARGE, parameters=[LARGE_ROWS], link="csv")
    refused(query=f"{LARGE} WHERE json(iif(n < 15, '1', '{{'))", parameters=[99], link="csv")

    assert used == set(held["Action"])
    assert all(key.startswith(f"/{PREFIX}/{prefix}main/") for key in keys)


@pytest.mark.usefixtures("table")
def test_a_file_of_many_parts_is_whole_and_its_link_is_in_no_log(
    ask: Ask, bucket: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    reply = ask(query=LARGE, parameters=[LARGE_ROWS], link="csv")

    content = content_of(reply)
    assert len(content) > 2 * PART_BYTES
    csv.field_size_limit(2_000_000)
    rows = csv.reader(io.StringIO(content.decode()))
    assert next(rows) == ["n", "filling"]
    assert all(
        row == [str(n), f"{n:01000000}"]
        for n, row in zip(range(1, LARGE_ROWS + 1), rows, strict=True)
    )
    assert list(bucket.multipart_uploads.all()) == []
    (kept,) = bucket.objects.all()
    said = capfd.readouterr().err
    assert f'"link_bytes":{len(content)}' in said
    assert "X-Amz" not in said
    assert kept.key.split("/")[-1] not in said


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("call", ["begin", "part 1", "part 2", "part 3", "complete"])
def test_what_s3_refuses_leaves_nothing(
    call: str, ask: Ask, refused: Ask, bucket: Any, fail: Fail
) -> None:
    fail(call, DENIED)

    error = refused(query=LARGE, parameters=[LARGE_ROWS], link="csv")

    assert (error["code"], error["aws_code"]) == ("STORAGE_ERROR", "AccessDenied")
    assert "s3:PutObject" in error["message"]
    assert left_in(bucket) == []
    assert ask(query="SELECT 1")["rows"] == [[1]]


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("call", ["begin", "part 2", "complete", "put"])
def test_what_s3_throttles_is_sent_again(call: str, ask: Ask, fail: Fail) -> None:
    fail(call, SLOW_DOWN)
    rows = 1 if call == "put" else LARGE_ROWS

    reply = ask(query=LARGE, parameters=[rows], link="csv")

    assert content_of(reply).count(b"\n") == rows + 1


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("happens", [True, False])
def test_a_completion_whose_answer_was_lost_is_asked_of_the_object(
    *, happens: bool, ask: Ask, refused: Ask, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 knows no such upload any more when it is asked again: it was completed, or aborted."""
    send = vars(AwsService)["send"]

    def losing(self: Any, request: Request, **options: Any) -> Answer:
        if call_of(request) == "complete" and not happens:
            return refusal(404, "NoSuchUpload")
        answer: Answer = send(self, request, **options)
        return refusal(404, "NoSuchUpload") if call_of(request) == "complete" else answer

    monkeypatch.setattr(AwsService, "send", losing)
    request: dict[str, Any] = {"query": LARGE, "parameters": [LARGE_ROWS], "link": "csv"}

    if happens:
        assert content_of(ask(request)).count(b"\n") == LARGE_ROWS + 1
    else:
        assert refused(request)["aws_code"] == "NoSuchUpload"
        assert left_in(bucket) == []


@pytest.mark.usefixtures("table")
def test_a_failed_abort_does_not_hide_why(refused: Ask, bucket: Any, fail: Fail) -> None:
    fail("part 2", refusal(400, "ExpiredToken"))
    fail("abort", DENIED)

    error = refused(query=LARGE, parameters=[LARGE_ROWS], link="csv")

    assert error["aws_code"] == "ExpiredToken"
    assert "renew the credentials" in error["message"]
    assert [one.object_key for one in bucket.multipart_uploads.all()] != []


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("call", ["part 1", "complete"])
def test_a_deadline_that_passes_leaves_no_upload(
    call: str, refused: Ask, bucket: Any, fail: Fail
) -> None:
    fail(call, None)

    error = refused(query=LARGE, parameters=[LARGE_ROWS], link="csv", timeout_ms=1_000)

    assert error["code"] == "TIMEOUT"
    assert left_in(bucket) == []


@pytest.mark.usefixtures("table")
@pytest.mark.usefixtures("fail")
def test_a_statement_that_takes_too_long_leaves_no_upload(refused: Ask, bucket: Any) -> None:
    error = refused(query=LARGE, parameters=[2**62], link="csv", timeout_ms=500)

    assert error["code"] == "TIMEOUT"
    assert left_in(bucket) == []


@pytest.mark.usefixtures("table")
def test_a_result_past_the_limit_of_files_is_refused_and_leaves_nothing(
    refused: Ask, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLATCH_RESULTS_BYTES_MAX", str(PART_BYTES + 100_000))
    forget(service)

    error = refused(query=LARGE, parameters=[LARGE_ROWS], link="csv")

    assert (error["code"], error["bytes_max"]) == ("RESULT_TOO_LARGE", PART_BYTES + 100_000)
    assert left_in(bucket) == []


@pytest.mark.usefixtures("table")
def test_an_error_of_a_late_row_leaves_nothing(refused: Ask, bucket: Any) -> None:
    late = f"{LONG} SELECT printf('%01000000d', n), json(iif(n < 15, '1', '{{')) FROM i"

    error = refused(query=late, parameters=[LARGE_ROWS], link="csv")

    assert error["code"] == "STATEMENT_ERROR"
    assert left_in(bucket) == []


@pytest.mark.usefixtures("table")
@pytest.mark.only_with("inplace", because="a log's readers have copies of their own")
def test_nothing_is_locked_while_the_file_is_finished(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader of a file keeps writers from committing: it is over before the last part goes."""
    wrote: list[Any] = []
    send = vars(AwsService)["send"]

    def writing(self: Any, request: Request, **options: Any) -> Answer:
        if call_of(request) == "put":
            wrote.append(ask(query="INSERT INTO t (n) VALUES (7)"))
        answer: Answer = send(self, request, **options)
        return answer

    monkeypatch.setattr(AwsService, "send", writing)
    reply = ask(query=ALL, link="jsonl")

    assert wrote
    assert len(content_of(reply).splitlines()) == len(EXACT)
    assert ask(query="SELECT count(*) FROM t")["rows"] == [[len(EXACT) + 1]]


def test_a_result_of_the_past_is_a_file_too(
    bucket: Any, ask: Ask, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SQLATCH_DATABASES")
    monkeypatch.setenv("SQLATCH_LOG", f"directory:{directory}")
    monkeypatch.setenv("SQLATCH_COPIES", str(directory.parent))
    forget(service)
    before = ask(query="CREATE TABLE t AS SELECT 1 AS n")["meta"]["position"]
    ask(query="DROP TABLE t")

    reply = ask(query="SELECT n FROM t", link="csv", at=before)

    assert content_of(reply) == b"n\n1\n"
    assert reply["meta"]["position"] == before
