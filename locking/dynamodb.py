"""Leases in a DynamoDB table: one conditional write to take one, one to give it back."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlatch.kernel.aws.dynamodb import DynamoDB
from sqlatch.kernel.aws.errors import (
    ConditionFailed,
    NotConfigured,
    Refused,
    Unavailable,
)
from sqlatch.kernel.aws.errors import Throttled as AwsThrottled
from sqlatch.kernel.errors import StorageError

from .leader import Term
from .lease import GRACE_S, Claim, HeldLease, TableUnavailable, Taken, Throttled, superseded

PREFIX = "database#"
PAGES_MAX = 100
FREE = "attribute_not_exists(lock_id) OR expires_at < :overdue"
FREE_FOR_LEADER = (
    "(attribute_not_exists(leader_term) OR leader_term <= :term) AND"
    f" ({FREE} OR leader_term < :term)"
)
SEEN = "version = :seen"
FIRST = "attribute_not_exists(version)"
PREFIX_OF_LEADER = "leader#"
MINE = "lock_id = :lock_id"
TAKE = (
    "SET lock_id = :lock_id, holder = :holder, acquired_at = :now, expires_at = :expires_at,"
    " ahead = :ahead, fence = if_not_exists(fence, :first_fence) + :one"
)
GIVE_BACK = "REMOVE lock_id, holder, acquired_at, expires_at, ahead"


class DynamoDBTable:
    """A table whose key is `pk` (S). An item is never deleted, so that its fence only grows."""

    def __init__(self, name: str, client: DynamoDB | None = None) -> None:
        self._name = name
        with self._errors():
            self._client = client or DynamoDB()

    def take(self, claim: Claim) -> Taken | HeldLease:
        first_fence = int(claim.now_s * 1000)
        leads = claim.term is not None
        term = {":term": {"N": str(claim.term)}} if leads else {}
        with self._errors():
            try:
                answer = self._client.update_item(
                    TableName=self._name,
                    Key={"pk": {"S": PREFIX + claim.database}},
                    UpdateExpression=f"{TAKE}, leader_term = :term" if leads else TAKE,
                    ConditionExpression=FREE_FOR_LEADER if leads else FREE,
                    ExpressionAttributeValues={
                        ":lock_id": {"S": claim.lock_id},
                        ":holder": {"S": claim.holder},
                        ":now": _number(claim.now_s),
                        ":expires_at": _number(claim.expires_at_s),
                        ":overdue": _number(claim.now_s - GRACE_S),
                        ":first_fence": {"N": str(first_fence)},
                        ":ahead": {"N": str(claim.ahead)},
                        ":one": {"N": "1"},
                        **term,
                    },
                    ReturnValues="ALL_OLD",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ConditionFailed as error:
                if error.item is None:
                    raise
                later = int(error.item.get("leader_term", {"N": "0"})["N"])
                if claim.term is not None and later > claim.term:
                    raise superseded(claim.database, claim.term, later) from error
                return _granted_before(claim, _held(error.item))
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
            except ConditionFailed:
                # Given back already by a call whose answer was lost, or run out and taken over.
                return

    def held(self) -> list[HeldLease]:
        with self._errors():
            return [
                _held(item) for item in self._items_held() if item["pk"]["S"].startswith(PREFIX)
            ]

    def leader(self, cluster: str) -> Term | None:
        with self._errors():
            key = {"pk": {"S": PREFIX_OF_LEADER + cluster}}
            answer = self._client.get_item(TableName=self._name, Key=key, ConsistentRead=True)
        return _term(answer["Item"]) if "Item" in answer else None

    def put_leader(self, cluster: str, term: Term, seen: Term | None) -> bool:
        condition: dict[str, Any] = {"ConditionExpression": FIRST}
        if seen is not None:
            values = {":seen": {"S": seen.version}}
            condition = {"ConditionExpression": SEEN, "ExpressionAttributeValues": values}
        with self._errors():
            try:
                self._client.put_item(
                    TableName=self._name,
                    Item={"pk": {"S": PREFIX_OF_LEADER + cluster}, **_item(term)},
                    **condition,
                )
            except ConditionFailed:
                return False
        return True

    def close(self) -> None:
        self._client.close()

    def _items_held(self) -> Iterator[dict[str, Any]]:
        """The items of all pages; those of the first `PAGES_MAX`."""
        start: dict[str, Any] = {}
        for _page in range(PAGES_MAX):
            page = self._client.scan(
                TableName=self._name,
                FilterExpression="attribute_exists(lock_id)",
                ConsistentRead=True,
                **start,
            )
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except AwsThrottled as error:
            raise Throttled(error.code) from error
        except Unavailable as error:
            raise TableUnavailable(str(error)) from error
        except Refused as error:
            raise StorageError(
                f"the lease table {self._name!r}: {error}", table=self._name, aws_code=error.code
            ) from error
        except NotConfigured as error:
            raise StorageError(
                f"the lease table {self._name!r}: {error}", table=self._name
            ) from error


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


def _term(item: dict[str, Any]) -> Term:
    return Term(
        number=int(item["number"]["N"]),
        version=item["version"]["S"],
        node=item["node"]["S"],
        duration_s=float(item["duration_s"]["N"]),
        since_s=float(item["since_s"]["N"]),
        renewed_s=float(item["renewed_s"]["N"]),
        offered=item["offered"]["BOOL"],
    )


def _item(term: Term) -> dict[str, Any]:
    return {
        "number": {"N": str(term.number)},
        "version": {"S": term.version},
        "node": {"S": term.node},
        "duration_s": _number(term.duration_s),
        "since_s": _number(term.since_s),
        "renewed_s": _number(term.renewed_s),
        "offered": {"BOOL": term.offered},
    }


def _number(value_s: float) -> dict[str, str]:
    return {"N": f"{value_s:.6f}"}
