"""The benchmarks' DynamoDB answers as moto's does, to all that the measured locks ask of it."""

from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.dynamodb_server import CREDENTIALS, create_table

KEY = {"pk": {"S": "database#main"}}
TAKE = {
    "Key": KEY,
    "UpdateExpression": "SET lock_id = :lock_id, expires_at = :expires_at,"
    " fence = if_not_exists(fence, :first_fence) + :one",
    "ConditionExpression": "attribute_not_exists(lock_id) OR expires_at < :overdue",
    "ReturnValues": "ALL_OLD",
    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
}
GIVE_BACK = {
    "Key": KEY,
    "UpdateExpression": "REMOVE lock_id, expires_at",
    "ConditionExpression": "lock_id = :lock_id",
}
PUT_IF_EXPIRED = {
    "ConditionExpression": "(attribute_not_exists(#n0) OR (attribute_exists(#n1) AND #n2 < :v0))",
    "ExpressionAttributeNames": {"#n0": "pk", "#n1": "pk", "#n2": "expires_at"},
}
PUT_IF_NEW = {
    "ConditionExpression": "NOT(attribute_exists(#pk) AND attribute_exists(#rvn))",
    "ExpressionAttributeNames": {"#pk": "pk", "#rvn": "rvn"},
}
RENEW = {
    "Key": KEY,
    "UpdateExpression": "SET #rvn = :new, #et = :et",
    "ConditionExpression": "attribute_exists(#pk) AND #rvn = :old",
    "ExpressionAttributeNames": {"#pk": "pk", "#rvn": "rvn", "#et": "expires_at"},
}


def take(lock_id: str, *, overdue: float) -> tuple[str, dict[str, Any]]:
    values = {
        ":lock_id": {"S": lock_id},
        ":expires_at": {"N": "100.5"},
        ":overdue": {"N": str(overdue)},
        ":first_fence": {"N": "1000"},
        ":one": {"N": "1"},
    }
    return "update_item", {**TAKE, "ExpressionAttributeValues": values}


def give_back(lock_id: str) -> tuple[str, dict[str, Any]]:
    return "update_item", {**GIVE_BACK, "ExpressionAttributeValues": {":lock_id": {"S": lock_id}}}


def put_if_expired(lock_id: str, *, now: str) -> tuple[str, dict[str, Any]]:
    item = {**KEY, "lock_id": {"S": lock_id}, "expires_at": {"N": now + "9"}}
    values = {":v0": {"N": now}}
    return "put_item", {**PUT_IF_EXPIRED, "Item": item, "ExpressionAttributeValues": values}


def renew(old: str, new: str) -> tuple[str, dict[str, Any]]:
    values = {":old": {"S": old}, ":new": {"S": new}, ":et": {"N": "7"}}
    return "update_item", {**RENEW, "ExpressionAttributeValues": values}


LOOK = ("get_item", {"Key": KEY, "ConsistentRead": True})
HELD = ("scan", {"FilterExpression": "attribute_exists(lock_id)", "ConsistentRead": True})
DELETE = ("delete_item", {"Key": KEY})
SEQUENCES = {
    "the lease": [
        LOOK, HELD, take("a", overdue=1), LOOK, HELD, take("b", overdue=1), give_back("b"),
        take("b", overdue=200), LOOK, HELD, give_back("a"), give_back("b"), LOOK, HELD,
        take("c", overdue=1), LOOK, HELD,
    ],
    "django-sqlite-efs": [
        put_if_expired("a", now="100.25"), put_if_expired("b", now="100.5"), LOOK,
        put_if_expired("b", now="2000"), LOOK, DELETE, LOOK, put_if_expired("c", now="1"),
    ],
    "python-dynamodb-lock": [
        ("put_item", {**PUT_IF_NEW, "Item": {**KEY, "rvn": {"S": "1"}}}),
        ("put_item", {**PUT_IF_NEW, "Item": {**KEY, "rvn": {"S": "2"}}}),
        renew("2", "3"), renew("1", "3"), LOOK, DELETE, renew("3", "4"), LOOK,
    ],
}  # fmt: skip


@pytest.mark.parametrize("subject", SEQUENCES)
def test_it_answers_as_moto_does(
    subject: str, dynamodb_url: str, moto_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)

    assert answers(dynamodb_url, SEQUENCES[subject]) == answers(moto_url, SEQUENCES[subject])


def test_both_refuse_a_table_that_is_not_there(
    dynamodb_url: str, moto_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    for url in (dynamodb_url, moto_url):
        client = boto3.client("dynamodb", endpoint_url=url)
        for operation, request in (take("a", overdue=1), LOOK, HELD):
            answer = _answer(client, operation, {**request, "TableName": "nowhere"})
            assert answer == ("ResourceNotFoundException", None), (url, operation)
        client.close()


def answers(url: str, calls: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    """Return the answers of a new table to the calls, one after the other."""
    name = f"table-{uuid4()}"
    create_table(url, name)
    client = boto3.client("dynamodb", endpoint_url=url)
    found = [_answer(client, operation, {**call, "TableName": name}) for operation, call in calls]
    client.close()
    return found


def _answer(client: Any, operation: str, request: dict[str, Any]) -> Any:
    try:
        answer = getattr(client, operation)(**request)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response.get("Item")
    return answer.get("Attributes"), answer.get("Item"), answer.get("Items")
