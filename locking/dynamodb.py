"""Leases in a DynamoDB table: one conditional write to take one, one to give it back."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

from sqlatch.kernel.errors import StorageError

from .lease import GRACE_S, Claim, HeldLease, TableUnavailable, Taken, Throttled

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PREFIX = "database#"
PAGES_MAX = 100
CONFIG = Config(
    connect_timeout=1,
    read_timeout=2,
    retries={"total_max_attempts": 1},
    tcp_keepalive=True,
    max_pool_connections=1,
    user_agent="sqlatch",
)
"""No retries of its own: the caller retries, until its deadline and knowing what it asked.

A given user agent is not composed again for each call, which takes 0.1 ms.
"""

FREE = "attribute_not_exists(lock_id) OR expires_at < :overdue"
MINE = "lock_id = :lock_id"
TAKE = (
    "SET lock_id = :lock_id, holder = :holder, acquired_at = :now, expires_at = :expires_at,"
    " ahead = :ahead, fence = if_not_exists(fence, :first_fence) + :one"
)
GIVE_BACK = "REMOVE lock_id, holder, acquired_at, expires_at, ahead"

THROTTLING = frozenset({
    "LimitExceededException", "ProvisionedThroughputExceededException", "RequestLimitExceeded",
    "ThrottlingException",
})  # fmt: skip
TRANSIENT = frozenset({
    "InternalServerError", "InternalFailure", "RequestTimeout", "ServiceUnavailable",
    "TransactionConflictException",
})  # fmt: skip
"""Codes of refusals that may pass: of too many calls, and of a failure within AWS."""


class DynamoDBTable:
    """A table whose key is `pk` (S). An item is never deleted, so that its fence only grows."""

    def __init__(self, name: str, client: "DynamoDBClient | None" = None) -> None:
        self._name = name
        self._client = client or _client()

    def take(self, claim: Claim) -> Taken | HeldLease:
        first_fence = int(claim.now_s * 1000)
        with self._errors():
            try:
                answer = self._client.update_item(
                    TableName=self._name,
                    Key={"pk": {"S": PREFIX + claim.database}},
                    UpdateExpression=TAKE,
                    ConditionExpression=FREE,
                    ExpressionAttributeValues={
                        ":lock_id": {"S": claim.lock_id},
                        ":holder": {"S": claim.holder},
                        ":now": _number(claim.now_s),
                        ":expires_at": _number(claim.expires_at_s),
                        ":overdue": _number(claim.now_s - GRACE_S),
                        ":first_fence": {"N": str(first_fence)},
                        ":ahead": {"N": str(claim.ahead)},
                        ":one": {"N": "1"},
                    },
                    ReturnValues="ALL_OLD",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                return _granted_before(claim, _held(cast("Any", error.response)["Item"]))
        before = answer.get("Attributes", {})
        fence = int(before["fence"]["N"]) if "fence" in before else first_fence
        return Taken(claim.held(fence + 1), taken_over="lock_id" in before)

    def give_back(self, database: str, lock_id: str) -> None:
        with self._errors():
            try:
                self._client.update_item(
                    TableName=self._name,
                    Key={"pk": {"S": PREFIX + database}},
                    UpdateExpression=GIVE_BACK,
                    ConditionExpression=MINE,
                    ExpressionAttributeValues={":lock_id": {"S": lock_id}},
                )
            except self._client.exceptions.ConditionalCheckFailedException:
                # Given back already by a call whose answer was lost, or run out and taken over.
                return

    def held(self) -> list[HeldLease]:
        with self._errors():
            pages = self._client.get_paginator("scan").paginate(
                TableName=self._name,
                FilterExpression="attribute_exists(lock_id)",
                ConsistentRead=True,
                PaginationConfig={"MaxItems": PAGES_MAX * 1000},
            )
            return [
                _held(item)
                for page in pages
                for item in page["Items"]
                if item["pk"]["S"].startswith(PREFIX)
            ]

    def close(self) -> None:
        self._client.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in THROTTLING:
                raise Throttled(code) from error
            if code in TRANSIENT:
                raise TableUnavailable(code) from error
            raise StorageError(
                f"the lease table {self._name!r}: {error}", table=self._name, aws_code=code
            ) from error
        except BotoCoreError as error:
            raise TableUnavailable(str(error)) from error


def _client() -> "DynamoDBClient":
    """Return a client of botocore: boto3 around it would make the first write a fifth slower."""
    return cast("DynamoDBClient", get_session().create_client("dynamodb", config=CONFIG))


def _granted_before(claim: Claim, held: HeldLease) -> Taken | HeldLease:
    """Return the lease that is in the way, unless it is this claim's own, whose answer was lost.

    Whether it was taken over was lost too, so it is assumed.
    """
    if held.lock_id != claim.lock_id:
        return held
    return Taken(held, taken_over=True)


def _held(item: dict[str, Any]) -> HeldLease:
    return HeldLease(
        database=item["pk"]["S"].removeprefix(PREFIX),
        lock_id=item["lock_id"]["S"],
        holder=item["holder"]["S"],
        acquired_at_s=float(item["acquired_at"]["N"]),
        expires_at_s=float(item["expires_at"]["N"]),
        fence=int(item["fence"]["N"]),
        ahead=int(item["ahead"]["N"]) if "ahead" in item else 0,
    )


def _number(value_s: float) -> dict[str, str]:
    return {"N": f"{value_s:.6f}"}
