"""What a call to AWS ended with, in the words of a log."""

import pytest

from sqlatch.kernel.aws import errors
from sqlatch.kernel.errors import StorageError
from storage.log.answers import NEXT_STEPS, NoAnswer, answered


@pytest.mark.parametrize(
    ("error", "may_land"),
    [
        (errors.Throttled("SlowDown", ""), False),
        (errors.NotConnected("away"), False),
        (errors.ServerFailed("500", ""), True),
        (errors.TimedOut("late"), True),
        (errors.CutOff("half"), True),
        (errors.Garbled("what"), True),
    ],
)
def test_what_was_not_answered_is_asked_again(error: Exception, *, may_land: bool) -> None:
    with pytest.raises(NoAnswer, match="the table") as none, answered("the table"):
        raise error
    assert none.value.may_land is may_land


def test_what_was_refused_for_good_is_an_error() -> None:
    with pytest.raises(StorageError, match="the table") as refused, answered("the table"):
        raise errors.Refused("AccessDeniedException", "no", status=400)
    assert refused.value.aws_code == "AccessDeniedException"
    assert NEXT_STEPS["AccessDeniedException"] in refused.value.message
    with pytest.raises(StorageError, match="no region"), answered("the table"):
        raise errors.NotConfigured("no region")


def test_the_failure_of_a_condition_is_the_answer() -> None:
    with pytest.raises(errors.ConditionFailed), answered("the table"):
        raise errors.ConditionFailed("ConditionalCheckFailedException", "", status=400)
