"""The table as the service asks it: again where there was no answer, and never for ever."""

from typing import Any

import pytest

from hrana.table import PAGES_MAX, WAITS_S, Table, key_of, number
from sqlatch.kernel.aws import errors
from sqlatch.kernel.errors import StorageError

KEY = key_of("#key", 0)
REFUSED = errors.Refused("ResourceNotFoundException", "no", status=400)
CONDITION = errors.ConditionFailed("ConditionalCheckFailedException", "no", status=400)
THROTTLED = errors.Throttled("ThrottlingException", "no")
TIMED_OUT = errors.TimedOut("no whole answer in time")


class Answers:
    """Answers in order, the last one for ever; an error is raised. What was asked is kept."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((operation, request))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)


@pytest.mark.parametrize("error", [THROTTLED, TIMED_OUT])
def test_what_was_not_answered_is_asked_again(error: Exception) -> None:
    waits: list[float] = []
    call = Answers(error, error, {"Item": KEY})

    assert Table("t", call, sleep=waits.append).get(KEY) == KEY
    assert waits == list(WAITS_S)
    assert call.asked == [("GetItem", {"TableName": "t", "Key": KEY, "ConsistentRead": True})] * 3


@pytest.mark.parametrize(
    ("error", "times", "code"),
    [
        (THROTTLED, 3, "ThrottlingException"),
        (TIMED_OUT, 3, None),
        (REFUSED, 1, "ResourceNotFoundException"),
        (errors.NotConfigured("there is no AWS region"), 1, None),
    ],
)
def test_what_fails_for_good_is_a_storage_error_that_names_the_table(
    error: Exception, times: int, code: str | None
) -> None:
    call = Answers(error)

    with pytest.raises(StorageError, match=f"^the table 't': {error}$") as failed:
        Table("t", call, sleep=lambda _seconds: None).put(KEY)

    assert len(call.asked) == times
    assert failed.value.facts == {"table": "t", **({"aws_code": code} if code else {})}


def test_a_condition_that_fails_is_told_at_once() -> None:
    call = Answers(CONDITION)
    table = Table("t", call)

    with pytest.raises(errors.ConditionFailed):
        table.update({"Key": KEY})
    with pytest.raises(errors.ConditionFailed):
        table.transact([{"Put": {"Item": KEY}}])
    table.put_new(KEY)

    assert [operation for operation, _request in call.asked] == [
        "UpdateItem", "TransactWriteItems", "PutItem",
    ]  # fmt: skip


def test_each_write_of_a_transaction_names_the_table() -> None:
    call = Answers({})

    Table("t", call).transact([{"Put": {"Item": KEY}}, {"Delete": {"Key": KEY}}])

    writes = [{"Put": {"TableName": "t", "Item": KEY}}, {"Delete": {"TableName": "t", "Key": KEY}}]
    assert call.asked == [("TransactWriteItems", {"TransactItems": writes})]


def test_a_query_goes_on_where_a_page_has_ended_and_ends() -> None:
    page = {"Items": [KEY], "LastEvaluatedKey": KEY}
    call = Answers(page, page, {"Items": []})
    assert list(Table("t", call).query("pk = :pk", {":pk": {"S": "a"}})) == [KEY, KEY]
    starts = [request.get("ExclusiveStartKey") for _operation, request in call.asked]
    assert starts == [None, KEY, KEY]

    assert len(list(Table("t", Answers(page)).query("pk = :pk", {}))) == PAGES_MAX


def test_numbers_are_written_as_dynamodb_compares_them() -> None:
    assert number(2**120) == {"N": str(2**120)}
    assert number(1_800_000_000.25) == {"N": "1800000000.250000"}
