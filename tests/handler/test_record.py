"""The facts of a request: the gravest code stays, and failures are counted."""

from handler.record import FAILURES_MAX, Record
from sqlatch.kernel.errors import Constraint, DatabaseCorrupt, StorageError


def test_the_gravest_code_stays() -> None:
    record = Record("request", "sqs")
    for error in (Constraint("a"), DatabaseCorrupt("b"), StorageError("c")):
        record.note(error)
    assert (record.code, record.cause) == ("DATABASE_CORRUPT", "b")


def test_failures_are_counted_by_database_and_code_up_to_a_limit() -> None:
    record = Record("request", "sqs")
    for number in range(FAILURES_MAX + 1):
        record.note_each(Constraint("a"), f"d{number}")
    record.note_each(Constraint("a"), "d0")
    assert len(record.failures) == FAILURES_MAX
    assert record.failures[0] == {"database": "d0", "code": "CONSTRAINT", "count": 2}
