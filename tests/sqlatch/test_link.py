"""Links to whole results, through the client and both transports."""

import json
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from handler.service import service
from sqlatch.client import Client
from sqlatch.errors import BadEvent, ReadOnly
from sqlatch.failures import UnexpectedAnswer
from sqlatch.link import link_of
from tests.conftest import forget
from tests.results import bucket_at

pytestmark = pytest.mark.usefixtures("kind")

SQL = "SELECT n, 'text ' || n AS word FROM t WHERE n > ? ORDER BY n"


@pytest.fixture
def bucket(client: Client, moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("SQLATCH_ROWS_MAX", "100")
    bucket = bucket_at(moto_url, monkeypatch)
    forget(service)
    return bucket


@pytest.fixture
def table(client: Client) -> None:
    client.execute("CREATE TABLE t (n INTEGER PRIMARY KEY)")
    client.load("INSERT INTO t VALUES (?)", ([n] for n in range(350)))


def content_of(url: str) -> bytes:
    with urllib.request.urlopen(url) as answer:
        content: bytes = answer.read()
    return content


@pytest.mark.usefixtures("bucket", "table")
def test_a_link_leads_to_all_rows_and_tells_of_them(client: Client) -> None:
    link = client.link(SQL, [10])

    content = content_of(link.url)
    assert [json.loads(line) for line in content.splitlines()] == [
        {"n": n, "word": f"text {n}"} for n in range(11, 350)
    ]
    assert (link.format, link.rows, link.bytes) == ("jsonl", 339, len(content))
    assert (link.columns, link.truncated) == (("n", "word"), False)
    assert link.ends_at - datetime.now(UTC) <= timedelta(hours=1)
    assert link.meta["database"] == client.database
    assert link.url not in repr(link)


@pytest.mark.usefixtures("bucket", "table")
def test_the_form_and_the_rows_of_a_file_are_chosen(client: Client) -> None:
    link = client.link(SQL, [340], format="csv", rows_max=2)

    assert content_of(link.url) == b"n,word\n341,text 341\n342,text 342\n"
    assert link.truncated


@pytest.mark.usefixtures("bucket", "table")
def test_a_session_links_to_what_it_has_written(client: Client) -> None:
    with client.session() as session:
        session.execute("DELETE FROM t WHERE n > 20")

        assert session.link(SQL, [10]).rows == 10


@pytest.mark.usefixtures("table")
def test_the_refusals_of_links_are_the_service_s(client: Client) -> None:
    with pytest.raises(BadEvent, match="SQLATCH_RESULTS"):
        client.link(SQL, [10])


@pytest.mark.usefixtures("bucket", "table")
def test_what_writes_has_no_link(client: Client) -> None:
    with pytest.raises(ReadOnly):
        client.link("DELETE FROM t")


@pytest.mark.parametrize("reply", [{"rows": []}, {"link": {}}, {"link": None}])
def test_an_answer_without_a_link_is_not_taken_for_one(reply: dict[str, Any]) -> None:
    with pytest.raises(UnexpectedAnswer, match="the answer has none"):
        link_of(reply)
