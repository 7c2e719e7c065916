"""Calls to DynamoDB, on moto; and answers that are none."""

import json
import socket
import zlib
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest

from sqlatch.kernel.aws import errors
from sqlatch.kernel.aws.dynamodb import THROTTLING, TRANSIENT, DynamoDB, binary, bytes_of
from tests import dynamodb_server
from tests.sqlatch import socket_server
from tests.sqlatch.aws.test_connection import serving
from tests.sqlatch.socket_server import request_of

pytestmark = pytest.mark.usefixtures("keys")

KEY = {"pk": {"S": "a"}}
JSON = "application/x-amz-json-1.0"
PREFIX = "com.amazonaws.dynamodb.v20120810#"


@pytest.fixture
def table(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"table-{uuid4()}"
    dynamodb_server.create_table(moto_url, name)
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", moto_url)
    return name


def answer(status: int, content: Any, **headers: str) -> bytes:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def asked(*answers: bytes | None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put an item at a server that answers so; return the answer or raise the error."""
    with socket_server.running(*answers) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
        client = DynamoDB()
        try:
            return client.put_item(TableName="t", Item=KEY)
        finally:
            client.close()
            assert len(server.requests) == 1


def test_the_verbs_do_what_they_say(table: str) -> None:
    client = DynamoDB()
    content = bytes(range(256))
    item = {**KEY, "n": {"N": "1"}, "d": binary(content)}

    assert client.get_item(TableName=table, Key=KEY, ConsistentRead=True) == {}
    client.put_item(TableName=table, Item=item)
    found = client.get_item(TableName=table, Key=KEY)["Item"]
    assert (found, bytes_of(found["d"])) == (item, content)
    client.update_item(
        TableName=table,
        Key=KEY,
        UpdateExpression="SET n = :two",
        ExpressionAttributeValues={":two": {"N": "2"}},
    )
    assert client.scan(TableName=table)["Items"] == [{**item, "n": {"N": "2"}}]
    asked = client.query(
        TableName=table,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": "a"}},
    )
    assert asked["Items"] == [{**item, "n": {"N": "2"}}]
    client.delete_item(TableName=table, Key=KEY)
    assert client.scan(TableName=table)["Items"] == []
    client.close()


def test_a_refused_condition_brings_the_item_that_stands_there(table: str) -> None:
    client = DynamoDB()
    client.put_item(TableName=table, Item={**KEY, "id": {"S": "first"}})
    second: dict[str, Any] = {
        "TableName": table,
        "Item": {**KEY, "id": {"S": "second"}},
        "ConditionExpression": "attribute_not_exists(pk)",
    }

    with pytest.raises(errors.ConditionFailed) as refused:
        client.put_item(**second, ReturnValuesOnConditionCheckFailure="ALL_OLD")
    with pytest.raises(errors.ConditionFailed) as without:
        client.put_item(**second)
    client.close()

    assert refused.value.item == {**KEY, "id": {"S": "first"}}
    assert without.value.item is None


@pytest.mark.parametrize("code", sorted(THROTTLING | TRANSIENT | {"ValidationException"}))
def test_the_code_of_a_refusal_says_what_is_known(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(errors.AwsError, match=f"^{code}: no$") as failed:
        asked(answer(400, {"__type": PREFIX + code, "message": "no"}), monkeypatch=monkeypatch)

    kinds = dict.fromkeys(THROTTLING, errors.Throttled) | dict.fromkeys(
        TRANSIENT, errors.ServerFailed
    )
    assert type(failed.value) is kinds.get(code, errors.Refused)


def test_a_transaction_is_done_whole_or_not_at_all(table: str) -> None:
    client = DynamoDB()
    put = {"Put": {"TableName": table, "Item": {"pk": {"S": "b"}}}}
    new: dict[str, Any] = {
        "TableName": table,
        "Item": KEY,
        "ConditionExpression": "attribute_not_exists(pk)",
    }

    client.call("TransactWriteItems", {"TransactItems": [{"Put": new}]})
    with pytest.raises(errors.ConditionFailed) as refused:
        client.call("TransactWriteItems", {"TransactItems": [put, {"Put": new}]})
    assert client.scan(TableName=table)["Items"] == [KEY]
    client.close()

    assert refused.value.code == "TransactionCanceledException"


@pytest.mark.parametrize(
    ("reasons", "kind"),
    [
        (["None", "ConditionalCheckFailed"], errors.ConditionFailed),
        (["TransactionConflict", "ConditionalCheckFailed"], errors.ConditionFailed),
        (["None", "TransactionConflict"], errors.Throttled),
        (["ProvisionedThroughputExceeded", "None"], errors.Throttled),
        (["ThrottlingError"], errors.Throttled),
        (["ValidationError", "None"], errors.Refused),
        ([], errors.Refused),
    ],
)
def test_the_reasons_of_a_canceled_transaction_say_what_is_known(
    reasons: list[str], kind: type[errors.AwsError], monkeypatch: pytest.MonkeyPatch
) -> None:
    canceled = {
        "__type": f"{PREFIX}TransactionCanceledException",
        "Message": "canceled",
        "CancellationReasons": [{"Code": code} for code in reasons],
    }

    with pytest.raises(errors.AwsError) as failed:
        asked(answer(400, canceled), monkeypatch=monkeypatch)

    assert type(failed.value) is kind


NO_ANSWERS: dict[str, tuple[bytes, type[errors.AwsError]]] = {
    "503 without JSON": (answer(503, b"<html>"), errors.ServerFailed),
    "500 without a code": (answer(500, {}), errors.ServerFailed),
    "429 without a code": (answer(429, b""), errors.Throttled),
    "a proxy's 403": (answer(403, b"<html>"), errors.Refused),
    "200 without JSON": (answer(200, b"<html>"), errors.Garbled),
    "200 with a list": (answer(200, []), errors.Garbled),
    "another checksum": (answer(200, {}, x_amz_crc32="1"), errors.Garbled),
    "a refusal with another checksum": (
        answer(400, {"__type": "x"}, x_amz_crc32="1"), errors.Garbled
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NO_ANSWERS)
def test_an_answer_that_is_none_is_named(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content, kind = NO_ANSWERS[case]

    with pytest.raises(errors.AwsError) as failed:
        asked(content, monkeypatch=monkeypatch)

    assert type(failed.value) is kind


def test_an_answer_with_its_checksum_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    content = b'{"Attributes": {}}'
    right = answer(200, content, x_amz_crc32=str(zlib.crc32(content)))

    assert asked(right, monkeypatch=monkeypatch) == {"Attributes": {}}


@pytest.mark.parametrize("code", ["ThrottlingException", "ExpiredTokenException"])
def test_the_refusal_of_a_request_sent_twice_leaves_it_open_whether_the_first_has_happened(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def serve(accepted: socket.socket, number: int) -> None:
        request_of(accepted)
        accepted.sendall(answer(200, {}) if number == 0 else answer(400, {"__type": PREFIX + code}))
        request_of(accepted)  # the second one arrives, and nothing is said to it

    with serving(serve) as (port, connections):
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        with closing(DynamoDB()) as client:
            client.put_item(TableName="t", Item=KEY)
            with pytest.raises(errors.ServerFailed, match=code):
                client.put_item(TableName="t", Item=KEY)

    assert len(connections) == 2


@pytest.mark.parametrize("attribute", [{}, {"S": "x"}, {"B": "!"}, {"B": 1}])
def test_an_attribute_without_bytes_is_garbled(attribute: dict[str, Any]) -> None:
    with pytest.raises(errors.Garbled):
        bytes_of(attribute)
