"""The outcome of an append, where neither it nor the question about it was answered."""

from typing import TYPE_CHECKING, Any, cast

import pytest

from sqlatch.kernel.errors import SqlatchError, StorageError
from storage.log.doubt import is_in_the_log
from storage.log.log import InDoubt

if TYPE_CHECKING:
    from storage.log.replica import Replica


class Unanswered:
    """A copy whose log ends the question with an error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def outcome(self, *_question: Any) -> bool:
        raise self._error


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (StorageError("no answer"), "unknown"),
        (StorageError("no answer", outcome="unknown"), "unknown"),
        (OSError("the disk is full"), "unknown"),
        (StorageError("never sent", outcome="nothing"), "nothing"),
    ],
)
def test_the_outcome_is_unknown_unless_the_log_says_that_nothing_was_written(
    error: Exception, outcome: str
) -> None:
    replica = cast("Replica", Unanswered(error))

    with pytest.raises(SqlatchError) as told:
        is_in_the_log(replica, InDoubt("no answer came"), bytes(16), 0.0)

    assert told.value.outcome == outcome
    assert (told.value is error) == (outcome == "nothing")
