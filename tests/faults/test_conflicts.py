"""A transaction is refused where one of its answers would differ, be it only in a count."""

from pathlib import Path

from tests.faults import conflicts, tally


def test_each_transaction_beside_each_write_is_a_conflict_where_sqlite_answers_otherwise(
    memory: Path,
) -> None:
    counts = conflicts.run(memory)

    tally.keep("conflicts", "transactions beside a writer", counts)
    assert counts.pairs == len(conflicts.TRANSACTIONS) * len(conflicts.OTHERS)
    assert 0 < counts.conflicts_only_in_counts < counts.conflicts < counts.pairs
