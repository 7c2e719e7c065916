"""Eight processes at once: nothing lost, twice or refused; and that a loss would be seen."""

import pytest

from tests.conftest import Ask
from tests.writers import run_together

INSERT = "INSERT INTO t (who) VALUES (?) RETURNING who"
RAISE = "UPDATE counter SET n = n + 1 RETURNING n"


@pytest.fixture
def tables(ask: Ask) -> None:
    ask(query="CREATE TABLE t (id INTEGER PRIMARY KEY, who TEXT)")
    ask(query="CREATE TABLE counter AS SELECT 0 AS n")


@pytest.mark.lease_tables
def test_400_inserts_of_8_processes_are_400_rows(
    tables: None, ask: Ask, environment: dict[str, str]
) -> None:
    acknowledged = run_together(8, 50, INSERT, environment)

    rows = ask(query="SELECT who FROM t")["rows"]
    assert sorted(rows) == sorted(row for rows in acknowledged for row in rows)
    assert len(rows) == 400
    assert len({who for (who,) in rows}) == 400
    assert ask(health=True)["leases"] == []


def test_a_counter_raised_by_8_processes_ends_at_the_number_acknowledged(
    tables: None, ask: Ask, environment: dict[str, str]
) -> None:
    acknowledged = run_together(8, 25, RAISE, environment)

    counts = sorted(n for rows in acknowledged for (n,) in rows)
    assert counts == list(range(1, 201))
    assert ask(query="SELECT n FROM counter")["rows"] == [[200]]


@pytest.mark.parametrize("without", ["lease", "file locks"])
def test_with_one_of_the_two_protections_nothing_is_lost(
    without: str, tables: None, ask: Ask, environment: dict[str, str]
) -> None:
    acknowledged = run_together(8, 25, RAISE, environment | {"TEST_WITHOUT": without})

    assert ask(query="SELECT n FROM counter")["rows"] == [[sum(map(len, acknowledged))]]


def test_without_lease_and_file_locks_updates_are_lost(
    tables: None, ask: Ask, environment: dict[str, str]
) -> None:
    """The negative control: what the tests above rule out happens, and they would see it."""
    without = {"TEST_WITHOUT": "lease,file locks"}
    acknowledged = run_together(8, 50, RAISE, environment | without)

    counts = [n for rows in acknowledged for (n,) in rows]
    assert len(set(counts)) < len(counts) or len(counts) < 400
