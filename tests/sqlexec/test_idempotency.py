"""The record that makes a write happen once: found, kept, due, purged, and nobody else's."""

import pytest

from sqlatch.kernel.errors import ForbiddenStatement, IdempotencyConflict, StatementError
from sqlexec import idempotency
from sqlexec.idempotency import LOOKED_AT_MAX, PURGED_AT_ONCE_MAX, TABLE, Record
from sqlexec.statement import IdempotencyKey
from storage.connection import Session

KEY = IdempotencyKey("k", b"first")
DAY_S = 86_400


@pytest.fixture(autouse=True)
def table(session: Session) -> None:
    session.run(TABLE.sql)


def keep(session: Session, *keys: str, at_s: float = 1_000) -> None:
    for key in keys:
        idempotency.keep(session, IdempotencyKey(key, b"first"), f"reply to {key}", at_s)


def keys(session: Session) -> list[str]:
    return [str(key) for (key,) in session.run("SELECT key FROM sqlatch_idempotency ORDER BY id")]


def test_a_key_that_was_never_used_has_no_record(session: Session) -> None:
    assert idempotency.find(session, KEY) is None


def test_a_repeat_finds_the_first_reply(session: Session) -> None:
    keep(session, "k")

    found = idempotency.find(session, KEY)

    assert found is not None
    assert (found.replayed, found.wrote, found.results) == ("reply to k", False, [])


def test_a_key_stands_for_one_request(session: Session) -> None:
    keep(session, "k")

    with pytest.raises(IdempotencyConflict, match="give each request a key of its own"):
        idempotency.find(session, IdempotencyKey("k", b"second"))
    assert idempotency.find(session, IdempotencyKey("another", b"second")) is None


def test_a_message_of_a_queue_is_known_without_a_reply(session: Session) -> None:
    message = IdempotencyKey("\tmessage:1", None)
    idempotency.keep(session, message, None, 1_000)

    found = idempotency.find(session, message)

    assert found is not None
    assert found.replayed == ""


def test_records_between_two_keys_come_oldest_first_with_the_one_asked_for(
    session: Session,
) -> None:
    keep(session, "z", "b", "a", "c", "d")

    found = idempotency.records(session, after="a", before="d", also="z")

    assert found == [Record(b"first", f"reply to {key}") for key in ("z", "b", "c")]


def test_a_record_is_due_when_it_is_older_than_asked(session: Session) -> None:
    assert not idempotency.is_due(session, 1_000, 2_000)
    keep(session, "k", at_s=1_000)

    assert not idempotency.is_due(session, 1_000, 2_000)
    assert idempotency.is_due(session, 1_001, 2_000)


def test_a_record_of_a_clock_that_was_ahead_hides_no_other(session: Session) -> None:
    keep(session, "ahead", at_s=1_000 + DAY_S)
    keep(session, "due", at_s=1_000)

    assert idempotency.is_due(session, 1_500, 2_000)
    assert idempotency.purge(session, 1_500, 2_000) == 1
    assert keys(session) == ["ahead"]


def test_only_the_oldest_records_are_looked_at(session: Session) -> None:
    keep(session, *(f"young-{number}" for number in range(LOOKED_AT_MAX)), at_s=1_900)
    keep(session, "old", at_s=1_000)
    assert not idempotency.is_due(session, 1_500, 2_000)

    session.run("DELETE FROM sqlatch_idempotency WHERE key = 'young-0'")
    assert idempotency.is_due(session, 1_500, 2_000)


def test_a_purge_deletes_what_is_due_and_a_bounded_number_at_once(session: Session) -> None:
    session.run(
        "INSERT INTO sqlatch_idempotency (key, created_at_s)"
        " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?)"
        " SELECT i, 1000 FROM n",
        PURGED_AT_ONCE_MAX + 5,
    )
    keep(session, "young", at_s=1_900)

    assert idempotency.purge(session, 1_500, 2_000) == PURGED_AT_ONCE_MAX
    assert idempotency.purge(session, 1_500, 2_000) == 5
    assert idempotency.purge(session, 1_500, 2_000) == 0
    assert keys(session) == ["young"]


def test_where_there_is_no_table_nothing_is_due(session: Session) -> None:
    session.run("DROP TABLE sqlatch_idempotency")

    assert not idempotency.has_table(session)
    assert not idempotency.is_due(session, 1_500, 2_000)


def test_changes_of_an_earlier_caller_are_forgotten(session: Session) -> None:
    keep(session, "a", "b")
    session.run("UPDATE sqlatch_idempotency SET reply = ''")
    assert session.run("SELECT changes()") == [(2,)]

    idempotency.forget_changes(session)

    assert session.run("SELECT changes()") == [(0,)]


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE sqlatch_x (n)",
        "CREATE VIEW SQLatch_v AS SELECT 1",
        "CREATE TABLE x (n REFERENCES sqlatch_idempotency (key))",
        'CREATE TABLE x (n REFERENCES "SQLATCH_idempotency")',
    ],
)
def test_a_name_of_ours_or_a_reference_to_it_is_refused(session: Session, sql: str) -> None:
    idempotency.refuse_own_names(session)
    session.run(sql)

    with pytest.raises(ForbiddenStatement, match="the service's own"):
        idempotency.refuse_own_names(session)


def test_a_table_of_our_name_and_another_shape_is_told(session: Session) -> None:
    session.run("DROP TABLE sqlatch_idempotency")
    session.run("CREATE TABLE sqlatch_idempotency (other)")

    with pytest.raises(StatementError, match="is not as this service makes it"):
        idempotency.find(session, KEY)
