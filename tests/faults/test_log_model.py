"""The protocol of the log in a directory in every order of its steps, and without its rules."""

from dataclasses import replace

import pytest

from tests.faults.log_model import Limits, Rules, Violation, search
from tests.faults.report import FULL, record, record_planted

pytestmark = [
    pytest.mark.timeout(7_200 if FULL else 900),
    pytest.mark.usefixtures("no_collector"),
]

TWO = Limits(commits=2, leases=2, reads=0, seals=0, torn=0, late=0)
THREE = replace(TWO, commits=3, leases=3)
READ = replace(TWO, reads=1)
SEAL = replace(TWO, seals=1)
LATE = replace(THREE, late=1)
REPLACED = replace(TWO, replacements=1, late=1)
ADDED = replace(TWO, adds=1)

SHORT = {
    "three commits": THREE,
    "a reader": replace(READ, late=1),
    "a sealer": replace(SEAL, torn=1),
    "a replacement": REPLACED,
    "an addition": replace(ADDED, reads=1),
}
WHOLE = {
    "a reader": replace(THREE, reads=1, torn=1, late=1),
    "a sealer": replace(THREE, seals=1, late=1),
    "a sealer and a reader": replace(THREE, seals=1, reads=1),
    "replacements": replace(THREE, replacements=2, late=1, reads=1),
    "additions": replace(THREE, adds=2, reads=1, seals=1),
    "a replacement and a sealer": replace(THREE, replacements=1, seals=1, late=1),
}

PLANTED: dict[str, tuple[Limits, str]] = {
    "appender_looks": (TWO, "lost|twice|another state|not the beginning"),
    "reader_looks": (READ, "lost"),
    "marks_before_it_reads": (TWO, "lost"),
    "half_done_seal_is_helped": (replace(SEAL, commits=1, leases=1, reads=1), "misses"),
    "header_comes_with_its_name": (
        SEAL,
        "lost|fewer records|damaged|not the beginning|another state",
    ),
    "settled_length_holds": (replace(READ, late=1), "lost|not the beginning"),
    "take_over_seals": (TWO, "lost"),
    "reaper_seals": (TWO, "lost"),
    "fence_is_checked": (THREE, "lost"),
    "fence_is_carried_on": (replace(THREE, seals=1), "lost"),
    "seals_until_the_fence_is_its_own": (THREE, "lost"),
    "doubt_is_sealed": (LATE, "refused"),
    "lease_is_kept_in_doubt": (LATE, "lost"),
    "replacement_goes_behind_what_it_knows": (ADDED, "another state"),
    "replacement_looks_for_its_name": (REPLACED, "lost"),
}


CASES = WHOLE if FULL else SHORT


@pytest.mark.parametrize("case", CASES)
def test_no_order_of_the_steps_breaks_a_promise(case: str) -> None:
    states = search(Rules(), CASES[case])

    record(f"log_model_{case.replace(' ', '_')}", states=states)
    assert states > (100_000 if FULL else 1_000)


@pytest.mark.parametrize("rule", PLANTED)
def test_without_the_rule_some_order_of_the_steps_breaks_a_promise(rule: str) -> None:
    limits, violation = PLANTED[rule]

    with pytest.raises(Violation, match=violation):
        search(replace(Rules(), **{rule: False}), limits)

    record_planted(f"log: not so: {rule.replace('_', ' ')}", "every order of steps")


def test_each_rule_is_planted() -> None:
    assert list(PLANTED) == list(Rules.__dataclass_fields__)
