"""However many writers meet on one log in DynamoDB: each writes in time, for few calls.

Time is simulated, so that what is asserted does not depend on the machine.
"""

import pytest

from storage.log.order import Order
from tests.faults.log_contention import Contention
from tests.faults.report import FULL, record, record_planted

LENGTH_S = 30.0 if FULL else 4.0
CALLS_MAX = 8.0
P99_S_MAX = 2.0


def run(writers: int, *, think_s: float = 0.0, slow_s: float = 0.0) -> Contention:
    return Contention(17, writers, LENGTH_S, think_s=think_s, slow_s=slow_s).run()


def test_32_writers_that_never_pause_write_in_time_for_few_calls() -> None:
    contention = run(32)

    record(
        "log_contention_32",
        writes_a_second=round(contention.commits / LENGTH_S),
        calls_a_write=round(contention.calls_a_commit, 1),
        units_a_write=round(contention.units_a_commit, 1),
        p99_ms=round(contention.wait_s(0.99) * 1_000),
        longest_wait_ms=round(contention.wait_s(1) * 1_000),
    )
    assert contention.gave_up == 0
    assert contention.wait_s(1) < P99_S_MAX
    assert min(contention.by_writer.values()) * 2 > max(contention.by_writer.values())
    assert contention.calls_a_commit < CALLS_MAX
    assert contention.commits > 80 * LENGTH_S


def test_one_writer_alone_asks_only_every_ninth_time() -> None:
    contention = run(1)

    assert contention.calls_a_commit < 1.2
    assert contention.wait_s(0.5) < 0.01


def test_two_writers_take_turns() -> None:
    contention = run(2)

    assert contention.calls_a_commit < 3
    assert contention.wait_s(0.99) < 0.1


def test_writers_that_pause_hardly_wait() -> None:
    """Half of what the log can take, each with half a second between its writes."""
    contention = run(32, think_s=0.5)

    assert contention.calls_a_commit < 4
    assert contention.wait_s(0.5) < 0.03
    assert contention.wait_s(1) < P99_S_MAX


def test_a_long_transaction_gets_on_among_short_ones() -> None:
    contention = run(8, slow_s=0.1)

    assert contention.by_writer[0] >= LENGTH_S / P99_S_MAX
    assert contention.wait_s(0.99) < P99_S_MAX


def test_without_their_order_each_costs_the_others_its_tries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The negative control."""
    monkeypatch.setattr(Order, "saw", lambda _self, _writer: None)
    contention = Contention(17, 32, 1.0).run()

    assert contention.calls_a_commit > CALLS_MAX
    record_planted("no writer knows the others", "writers that meet on a log")
