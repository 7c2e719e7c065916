"""Transactions over two databases, each with a lease of its own."""

from collections.abc import Callable
from pathlib import Path
from threading import Barrier, Thread

import pytest
from django.db import OperationalError

from sqlatch.django.base import DatabaseWrapper
from tests.django.conftest import Connect

pytestmark = pytest.mark.django

TIMEOUT_S = 4


@pytest.fixture
def paths(directory: Path, connect: Connect) -> list[Path]:
    paths = [directory / "a.db", directory / "b.db"]
    for path in paths:
        wrapper = connect(path)
        with wrapper.cursor() as cursor:
            cursor.execute("CREATE TABLE t (who TEXT)")
        wrapper.close()
    return paths


def write_both(
    who: str, wrappers: list[DatabaseWrapper], between: Callable[[], object]
) -> str | None:
    """Write to one database and then to the other, each in a transaction; the error, if any."""
    try:
        for wrapper in wrappers:
            wrapper.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
            with wrapper.cursor() as cursor:
                cursor.execute("INSERT INTO t VALUES (%s)", [who])
            if wrapper is wrappers[0]:
                between()
        for wrapper in wrappers:
            wrapper.commit()
    except OperationalError as error:
        return str(error)
    finally:
        for wrapper in wrappers:
            wrapper.rollback()
            wrapper.set_autocommit(True)
    return None


def test_of_two_that_wait_for_each_other_one_goes_on(paths: list[Path], connect: Connect) -> None:
    both_hold_one = Barrier(2, timeout=30)
    errors: dict[str, str | None] = {}

    def run(who: str, ordered: list[Path]) -> None:
        wrappers = [connect(path, timeout=TIMEOUT_S) for path in ordered]
        for wrapper in wrappers:
            wrapper.inc_thread_sharing()
        errors[who] = write_both(who, wrappers, both_hold_one.wait)

    threads = [
        Thread(target=run, args=("in order", paths)),
        Thread(target=run, args=("against it", paths[::-1])),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors["in order"] is None
    assert "in the order of their names" in str(errors["against it"])
    for path in paths:
        with connect(path).cursor() as cursor:
            assert cursor.execute("SELECT who FROM t").fetchall() == [("in order",)]


def test_against_the_order_of_their_names_free_leases_are_had(
    paths: list[Path], connect: Connect
) -> None:
    wrappers = [connect(path) for path in paths[::-1]]

    assert write_both("me", wrappers, lambda: None) is None
