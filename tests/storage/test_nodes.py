"""The words between nodes."""

from sqlatch.kernel.errors import SqlatchError
from storage.nodes import ForLeader, Part


def test_a_request_for_the_leader_is_no_error_of_the_contract() -> None:
    assert not issubclass(ForLeader, SqlatchError), "no step of a request may answer with it"


def test_a_part_is_well_answered_unless_it_says_otherwise() -> None:
    assert Part(b"") == Part(b"", 200, {})
