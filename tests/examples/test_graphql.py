"""The GraphQL example: nodes whose fields lie in databases of their own."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from examples.graphql.compare import apply, books
from examples.graphql.loader import messages, send
from examples.graphql.nodes import FIELDS, NODES, Nodes
from sqlatch import aio, uid
from tests.cloudformation import ROOT
from tests.pages import blocks, free_ports, shell
from tests.sqlatch.conftest import composed, http_url  # noqa: F401 - fixtures

EMMA = {"title": "Emma", "author": "Jane Austen", "year": 1815}
CREATE = """
mutation ($fields: Fields!) { create(fields: $fields) { id title author year pages rating } }
"""


class Api:
    """The schema over a served service; each question has a loop and connections of its own."""

    def __init__(self, service: str, directory: Path) -> None:
        self._service = service
        self._uids = uid.in_file(directory / "uids")
        self.requests = 0

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        from examples.graphql.schema import (
            Context,
            schema,
        )  # takes a second: not while tests are collected

        async def asked() -> dict[str, Any]:
            nodes = Nodes(lambda name: aio.connect(f"{self._service}/{name}"), self._uids)
            await nodes.prepare()
            answer = await schema.execute(query, variables, context_value=Context(nodes))
            await nodes.close()
            assert answer.errors is None
            assert answer.data is not None
            return answer.data

        return asyncio.run(asked())


@pytest.fixture
def api(http_url: str, tmp_path: Path) -> Api:  # noqa: F811
    return Api(http_url.removesuffix("/main"), tmp_path)


def test_a_book_is_created_updated_and_found(api: Api) -> None:
    made = api.ask(CREATE, fields=EMMA)["create"]

    assert {name: made[name] for name in FIELDS} == EMMA | {"pages": None, "rating": None}
    update = "mutation ($id: ID!) { update(id: $id, fields: {pages: 474}) { title pages } }"
    assert api.ask(update, id=made["id"])["update"] == {"title": "Emma", "pages": 474}
    by_author = '{ byAuthor(author: "Jane Austen") { id title madeAtMs } }'
    (found,) = api.ask(by_author)["byAuthor"]
    assert found == {"id": made["id"], "title": "Emma", "madeAtMs": uid.time_ms(int(made["id"]))}


def test_books_come_in_the_order_in_which_they_were_made(api: Api) -> None:
    ids = [api.ask(CREATE, fields={"title": f"{n}"})["create"]["id"] for n in range(5)]

    page = "query ($after: ID) { books(after: $after, first: 3) { id title } }"
    first = api.ask(page)["books"]
    second = api.ask(page, after=first[-1]["id"])["books"]

    assert [book["id"] for book in first + second] == ids
    assert [book["title"] for book in first + second] == ["0", "1", "2", "3", "4"]


def test_a_book_whose_fields_were_written_in_part_is_not_there(api: Api) -> None:
    api.ask(CREATE, fields=EMMA)
    apply([json.dumps({"database": "author", "query": "INSERT INTO field VALUES (7, ?)",
                       "parameters": ["Jane Austen"]})])  # fmt: skip

    found = api.ask('{ byAuthor(author: "Jane Austen") { title } book(id: "7") { title } }')

    assert found == {"byAuthor": [{"title": "Emma"}], "book": None}


def test_the_loader_s_messages_fill_all_fields(api: Api, tmp_path: Path) -> None:
    import boto3
    from moto import mock_aws

    uids = uid.in_file(tmp_path / "uids")
    by_group: dict[str, list[str]] = {}
    with mock_aws():
        sqs = boto3.client("sqs", region_name="us-east-1")
        url = sqs.create_queue(QueueName="q.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
        sent = send(sqs, url, messages(books(4_000), uids.next))
        while True:
            answer = sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
            )
            if not answer.get("Messages"):
                break
            for message in answer["Messages"]:
                group = message["Attributes"]["MessageGroupId"]
                by_group.setdefault(group, []).append(message["Body"])
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    assert {*by_group} == {*FIELDS, NODES}
    assert sum(len(bodies) for bodies in by_group.values()) == sent
    for bodies in by_group.values():
        apply(bodies)
    page = "{ books(first: 1000) { title author year pages rating } }"
    assert api.ask(page)["books"] == list(books(1_000))


def test_the_comparison_runs() -> None:
    command = [sys.executable, "-m", "examples.graphql.compare", "300"]

    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert [line.split()[0] for line in printed.splitlines()[1:]] == [
        "load",
        "read",
        "read",
        "find",
    ]


def test_the_commands_of_its_page_answer(tmp_path: Path) -> None:
    page = (ROOT / "examples" / "graphql" / "README.md").read_text()
    (script,) = blocks(page, "sh")
    with free_ports(2) as (service, api), shell(tmp_path, {"8000": service, "8001": api}) as run:
        text = run(script)

    read = json.loads(text[text.rindex('{"data"') :])["data"]
    assert read["books"] == [{"title": "Emma", "year": 1815}]
    assert [book["title"] for book in read["byAuthor"]] == ["Emma"]
