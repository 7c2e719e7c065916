"""A transaction is refused where one of its answers would differ, be it only in a count."""

from pathlib import Path

import pytest

from tests.faults import conflicts, tally
from tests.faults.engines import IN_A_LOG, IN_PLACE, Kept


@pytest.mark.parametrize(
    "kept", [IN_PLACE, pytest.param(IN_A_LOG, marks=pytest.mark.slow)], ids=lambda kept: kept.name
)
def test_each_transaction_beside_each_write_is_a_conflict_where_sqlite_answers_otherwise(
    kept: Kept, memory: Path
) -> None:
    counts = conflicts.run(memory, kept)

    tally.keep("conflicts", f"transactions beside a writer, {kept.name}", counts)
    assert counts.pairs == len(conflicts.TRANSACTIONS) * len(conflicts.OTHERS)
    assert 0 < counts.conflicts_only_in_counts < counts.conflicts < counts.pairs
