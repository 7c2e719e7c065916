"""Generated programs through the handler and through plain SQLite: the same rows, counts, errors.

SQLATCH_FAULTS_SEED=17 runs one program, SQLATCH_FAULTS_SEED=0-17 those up to it in one process.
SQLATCH_FAULTS_FULL=1 runs 20,000 of them.
"""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from sqlatch.kernel.errors import DatabaseCorrupt
from tests.conftest import Ask
from tests.faults.oracle import Oracle, Refused
from tests.faults.oracle_plants import PLANTED
from tests.faults.oracle_sql import Query
from tests.faults.report import record, record_planted
from tests.writers import ROOT

pytestmark = pytest.mark.timeout(7_200)

PROGRAMS = 20_000 if "SQLATCH_FAULTS_FULL" in os.environ else 100
PROGRAMS_OF_A_PROCESS = 50
PLANTED_SEEN_WITHIN = 300
PROGRAM = (sys.executable, "-m", "tests.faults.oracle_program")


class Failed(AssertionError):
    """A program did not end alike on both sides, or a signal ended it."""


def run(seeds: range, memory: Path, *, plant: str = "", engine: str = "inplace") -> Counter[str]:
    """Run the programs of the seeds, and return their counts; Failed at the first that fails."""
    counts: Counter[str] = Counter()
    seed = seeds[0]
    with subprocess.Popen(
        [*PROGRAM, str(seeds[0]), str(len(seeds)), plant],
        cwd=ROOT,
        env={**os.environ, "TEST_MEMORY": str(memory), "TEST_ENGINE": engine},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            for line in map(json.loads, process.stdout or ()):
                seed = line.get("seed", seed)
                counts += line.get("counts", {})
                if "differs" in line:
                    raise Failed(f"SQLATCH_FAULTS_SEED={seed} shows it again: {line['differs']}")
        except Failed:
            process.kill()
            raise
    if process.returncode:
        raise Failed(
            f"SQLATCH_FAULTS_SEED={seeds[0]}-{seed} shows it again: {ended(process.returncode)}"
        )
    return counts


def ended(returncode: int) -> str:
    return (
        f"ended by {signal.Signals(-returncode).name}" if returncode < 0 else f"exit {returncode}"
    )


def test_the_handler_answers_as_plain_sqlite_does(memory: Path) -> None:
    if "SQLATCH_FAULTS_SEED" in os.environ:
        first, _, last = os.environ["SQLATCH_FAULTS_SEED"].partition("-")
        run(range(int(first), int(last or first) + 1), memory)
        return

    counts: Counter[str] = Counter()
    for first_seed in range(0, PROGRAMS, PROGRAMS_OF_A_PROCESS):
        counts += run(range(first_seed, first_seed + PROGRAMS_OF_A_PROCESS), memory)

    record("oracle", programs=PROGRAMS, signals=0, **dict(sorted(counts.items())))


@pytest.mark.slow
def test_the_handler_answers_as_plain_sqlite_does_on_a_log(memory: Path) -> None:
    counts: Counter[str] = Counter()
    programs = PROGRAMS // 10
    for first_seed in range(0, programs, PROGRAMS_OF_A_PROCESS):
        seeds = range(first_seed, min(first_seed + PROGRAMS_OF_A_PROCESS, programs))
        counts += run(seeds, memory, engine="log")

    record("oracle_in_a_log", programs=programs, signals=0, **dict(sorted(counts.items())))


CALLED_MALFORMED = (
    "CREATE TABLE t (a PRIMARY KEY, b REFERENCES t ON UPDATE CASCADE)",
    "CREATE INDEX i ON t (a + NULL) WHERE b IS NOT NULL",
    "INSERT INTO t VALUES (2, 2)",
    "UPDATE t SET a = 1",
)
"""SQLite 3.54.1 says at the last one that the file is malformed; its integrity check disagrees."""


def test_a_sound_file_that_sqlite_calls_malformed_is_called_so_by_both(
    ask: Ask, tmp_path: Path
) -> None:
    oracle = Oracle(tmp_path / "oracle.db")
    for sql in CALLED_MALFORMED[:-1]:
        ask(query=sql)
        oracle.answer([Query(sql)])

    with pytest.raises(DatabaseCorrupt):
        ask(query=CALLED_MALFORMED[-1])

    assert oracle.answer([Query(CALLED_MALFORMED[-1])]) == Refused("DATABASE_CORRUPT")
    assert ask(query="SELECT a, b FROM t")["rows"] == [[2, 2]]
    assert ask(query="PRAGMA integrity_check")["rows"] == [["ok"]]


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_difference_is_seen(bug: str, memory: Path) -> None:
    with pytest.raises(Failed):
        run(range(PLANTED_SEEN_WITHIN), memory, plant=bug)
    record_planted(bug, "plain SQLite as the oracle")
