"""Time, chance and counts of statements that are run again: the same, as often as they are."""

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from sqlatch.kernel.errors import StatementError
from storage.connection import Session
from storage.pins import Pins
from tests.storage.conftest import IN_MEMORY

AT_MS = 1_700_000_000_123
SEED = b"seed"


@pytest.fixture
def pins() -> Iterator[Pins]:
    with closing(Pins()) as pins:
        yield pins


@pytest.fixture
def pinned(pins: Pins) -> Iterator[Session]:
    deadline_s = time.time() + 600
    with closing(
        Session(
            "main", ":memory:", flags=IN_MEMORY, now=time.time, deadline_s=deadline_s, pins=pins
        )
    ) as session:
        pins.begin(session.connection)
        pins.pin(AT_MS, SEED)
        yield session


def row(session: Session, sql: str) -> tuple[Any, ...]:
    (found,) = session.run(sql)
    return found


def test_it_is_the_time_that_was_pinned(pinned: Session, pins: Pins) -> None:
    assert row(pinned, "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now'), CURRENT_TIMESTAMP") == (
        "2023-11-14 22:13:20.123",
        "2023-11-14 22:13:20",
    )

    pins.pin(0, SEED)
    assert row(pinned, "SELECT date('now')") == ("1970-01-01",)


def test_chance_is_the_same_for_a_seed_and_another_for_each_draw(
    pinned: Session, pins: Pins
) -> None:
    draw = "SELECT random(), random(), hex(randomblob(8)), length(randomblob(5))"
    first = row(pinned, draw)
    assert len(set(first[:2])) == 2
    assert first[3] == 5

    pins.pin(AT_MS, SEED)
    assert row(pinned, draw) == first
    pins.pin(AT_MS, b"another seed")
    assert not set(row(pinned, draw)[:3]) & set(first[:3])


@pytest.mark.parametrize(("argument", "size"), [("0", 1), ("-5", 1), ("'3'", 3), ("NULL", 1)])
def test_a_blob_of_chance_has_the_size_that_sqlite_gives_it(
    pinned: Session, argument: str, size: int
) -> None:
    assert row(pinned, f"SELECT length(randomblob({argument}))") == (size,)


def test_a_blob_that_is_too_large_is_refused_before_it_is_made(pinned: Session) -> None:
    with pytest.raises(StatementError, match="too big"):
        pinned.run("SELECT randomblob(16777217)")


def test_changes_of_others_on_the_connection_do_not_count(pinned: Session, pins: Pins) -> None:
    pinned.run("CREATE TABLE t AS SELECT 1 AS n UNION ALL SELECT 2")
    pinned.run("UPDATE t SET n = 0")

    pins.begin(pinned.connection)

    assert row(pinned, "SELECT changes(), total_changes()") == (0, 0)
    pinned.run("UPDATE t SET n = 5")
    assert row(pinned, "SELECT changes(), total_changes()") == (2, 2)


def test_a_connection_without_pins_has_its_own_time_and_chance(
    session: Session, pinned: Session
) -> None:
    assert row(session, "SELECT date('now') >= '2024'") == (1,)
    assert row(session, "SELECT random()") != row(session, "SELECT random()")
