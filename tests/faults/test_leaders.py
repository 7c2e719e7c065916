"""The leader of nodes under load is killed, frozen, cut off and moved: nothing is lost."""

import time
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.faults.leader_nodes import run
from tests.faults.leader_plants import environment_of
from tests.faults.report import FULL, record, record_planted

ROUNDS = 15 if FULL else 1
CONTROLS_MAX = 10

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7_200 if FULL else 600)]


@pytest.mark.parametrize("in_table", [False, True], ids=["directory", "table"])
def test_no_write_is_lost_and_no_term_goes_back_whatever_happens_to_leaders(
    tmp_path: Path, *, in_table: bool
) -> None:
    counts = run(tmp_path, rounds=ROUNDS, seed=time.time_ns(), in_table=in_table)

    record("leaders_in_table" if in_table else "leaders", short=int(not FULL), **asdict(counts))
    assert counts.broken() == {}
    assert counts.acknowledged > 0
    assert counts.terms > 3 * ROUNDS
    assert counts.kills == counts.freezes == counts.cuts == ROUNDS


@pytest.mark.skipif(not FULL, reason="SQLATCH_FAULTS_FULL=1 runs it")
def test_without_the_check_whether_the_node_leads_the_same_nodes_write_out_of_turn(
    tmp_path: Path,
) -> None:
    site = environment_of(tmp_path / "site")
    for attempt in range(CONTROLS_MAX):
        directory = tmp_path / str(attempt)
        directory.mkdir()
        counts = run(directory, rounds=1, seed=time.time_ns(), in_table=False, **site)
        if counts.terms_out_of_order:
            record_planted("a node believes to lead until it is told otherwise", "leaders")
            return
    pytest.fail(f"{CONTROLS_MAX} runs without the check, and nobody noticed")
