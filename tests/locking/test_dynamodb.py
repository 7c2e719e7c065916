"""The table in DynamoDB, beside its contract, which is in test_tables.py."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError
from botocore.session import get_session

from locking.dynamodb import CONFIG, PREFIX, THROTTLING, TRANSIENT, DynamoDBTable
from locking.lease import Claim, HeldLease, LeaseTable, TableUnavailable, Throttled
from sqlatch.errors import StorageError
from tests import dynamodb_server

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
def client(name: str) -> Iterator[Any]:
    client = get_session().create_client("dynamodb", config=CONFIG)
    yield client
    client.close()


def test_the_client_itself_asks_once() -> None:
    # A client that was made of it may have added its mode.
    assert vars(CONFIG)["_user_provided_options"]["retries"]["total_max_attempts"] == 1


@pytest.mark.parametrize("code", REFUSALS)
def test_a_refusal_is_told_as_one_to_try_again_later_less_often_or_never(
    code: str, name: str, client: Any
) -> None:
    def refuse(**_arguments: Any) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "UpdateItem")

    client.meta.events.register("provide-client-params.dynamodb.*", refuse)

    with pytest.raises((TableUnavailable, StorageError)) as refused:
        DynamoDBTable(name, client).take(CLAIM)

    assert refused.type is REFUSALS[code]


def test_a_table_that_is_not_there_is_named(name: str, client: Any) -> None:
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


def test_what_else_stands_in_the_table_is_no_lease(name: str, client: Any) -> None:
    table = DynamoDBTable(name, client)
    table.take(CLAIM)
    foreign = {"pk": {"S": "something#else"}, "lock_id": {"S": "x"}}
    client.put_item(TableName=name, Item=foreign)

    assert table.held() == [replace(CLAIM.held(1_800_000_000_001))]


def test_a_lease_of_before_leases_knew_who_was_ahead_is_read(name: str, client: Any) -> None:
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
    name: str, client: Any
) -> None:
    table = DynamoDBTable(name, client)
    table.take(CLAIM)

    table.give_back("main", "id-1")

    item = client.get_item(TableName=name, Key={"pk": {"S": f"{PREFIX}main"}})["Item"]
    assert item == {"pk": {"S": "database#main"}, "fence": {"N": "1800000000001"}}
