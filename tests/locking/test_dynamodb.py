"""The table in DynamoDB, beside its contract, which is in test_tables.py."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from uuid import uuid4

import pytest

from locking.dynamodb import PREFIX, DynamoDBTable
from locking.lease import Claim, HeldLease, LeaseTable, TableUnavailable, Taken, Throttled
from sqlatch.errors import StorageError
from sqlatch.kernel.aws.dynamodb import THROTTLING, TRANSIENT, DynamoDB
from tests import dynamodb_server
from tests.sqlatch import socket_server
from tests.sqlatch.aws.test_connection import serving
from tests.sqlatch.socket_server import request_of

CLAIM = Claim("main", "id-1", "one", now_s=1_800_000_000.0, expires_at_s=1_800_000_012.0)
REFUSALS = {
    **dict.fromkeys(sorted(THROTTLING), Throttled),
    **dict.fromkeys(sorted(TRANSIENT), TableUnavailable),
    "AccessDeniedException": StorageError,
    "ResourceNotFoundException": StorageError,
}


@pytest.fixture
def name(dynamodb_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new table, and the environment in which the client finds it."""
    name = f"leases-{uuid4()}"
    for variable, value in dynamodb_server.CREDENTIALS.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", dynamodb_url)
    dynamodb_server.create_table(dynamodb_url, name)
    return name


@pytest.fixture
def client(name: str) -> Iterator[DynamoDB]:
    client = DynamoDB()
    yield client
    client.close()


@pytest.mark.parametrize("code", REFUSALS)
def test_a_refusal_is_told_as_one_to_try_again_later_less_often_or_never(
    code: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = f'{{"__type": "com.amazonaws.dynamodb.v20120810#{code}", "message": "no"}}'
    answer = f"HTTP/1.1 400 Bad Request\r\ncontent-length: {len(body)}\r\n\r\n{body}"

    with socket_server.running(answer.encode()) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
        table = DynamoDBTable(name)
        with pytest.raises((TableUnavailable, StorageError)) as refused:
            table.take(CLAIM)
        table.close()

    assert refused.type is REFUSALS[code]
    assert len(server.requests) == 1


def test_an_environment_without_a_region_is_an_error_of_the_storage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)

    with pytest.raises(StorageError, match="'leases': there is no AWS region: set AWS_REGION"):
        DynamoDBTable("leases")


def test_a_table_that_is_not_there_is_named(name: str, client: DynamoDB) -> None:
    with pytest.raises(StorageError, match="no-such-table") as refused:
        DynamoDBTable("no-such-table", client).held()

    assert refused.value.facts["table"] == "no-such-table"
    assert refused.value.facts["aws_code"] == "ResourceNotFoundException"


def test_an_address_that_nobody_listens_at_may_answer_later(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    table: LeaseTable = DynamoDBTable(name)

    with pytest.raises(TableUnavailable) as unavailable:
        table.take(CLAIM)
    table.close()

    assert unavailable.type is TableUnavailable, "not throttled: it may have happened"


def test_what_else_stands_in_the_table_is_no_lease(name: str, client: DynamoDB) -> None:
    table = DynamoDBTable(name, client)
    table.take(CLAIM)
    foreign = {"pk": {"S": "something#else"}, "lock_id": {"S": "x"}}
    client.put_item(TableName=name, Item=foreign)

    assert table.held() == [replace(CLAIM.held(1_800_000_000_001))]


def test_a_lease_of_before_leases_knew_who_was_ahead_is_read(name: str, client: DynamoDB) -> None:
    table = DynamoDBTable(name, client)
    table.take(CLAIM)
    client.update_item(
        TableName=name,
        Key={"pk": {"S": f"{PREFIX}main"}},
        UpdateExpression="REMOVE ahead",
    )

    answer = table.take(replace(CLAIM, lock_id="id-2"))

    assert isinstance(answer, HeldLease)
    assert answer.ahead == 0


def test_an_item_that_is_given_back_keeps_its_fence_and_nothing_else(
    name: str, client: DynamoDB
) -> None:
    table = DynamoDBTable(name, client)
    table.take(CLAIM)

    table.give_back("main", "id-1")

    item = client.get_item(TableName=name, Key={"pk": {"S": f"{PREFIX}main"}})["Item"]
    assert item == {"pk": {"S": "database#main"}, "fence": {"N": "1800000000001"}}


@contextmanager
def losing_the_second_answer(url: str) -> Iterator[str]:
    """The URL of a way to the table; of its first connection the second answer is lost.

    The request arrives, and is carried out.
    """
    host, port = url.removeprefix("http://").split(":")

    def serve(client: socket.socket, number: int) -> None:
        for turn in count():
            request = request_of(client)
            if not request:
                return
            with socket.create_connection((host, int(port))) as server:
                server.sendall(request)
                answer = request_of(server)
            if (number, turn) == (0, 1):
                return
            client.sendall(
                answer.replace(b"HTTP/1.0", b"HTTP/1.1").replace(b"close", b"keep-alive")
            )

    with serving(serve) as (way, _connections):
        yield f"http://127.0.0.1:{way}"


def test_a_claim_that_was_sent_twice_knows_itself(
    name: str, dynamodb_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with losing_the_second_answer(dynamodb_url) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        table = DynamoDBTable(name)
        assert table.held() == []

        taken = table.take(CLAIM)
        again = table.held()
        table.close()

    assert isinstance(taken, Taken)
    assert taken.taken_over, "whether it was is not known"
    assert again == [taken.held]


def test_a_lease_that_was_given_back_twice_is_given_back(
    name: str, dynamodb_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with losing_the_second_answer(dynamodb_url) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        table = DynamoDBTable(name)
        table.take(CLAIM)

        table.give_back("main", CLAIM.lock_id)
        left = table.held()
        table.close()

    assert left == []
