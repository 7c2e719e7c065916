"""Every order of the steps of the log in DynamoDB; and the searches that miss a rule taken out."""

from dataclasses import fields, replace

import pytest

from tests.faults.log_table_model import Limits, Rules, Violation, search
from tests.faults.report import FULL, record, record_planted

QUICK = {
    "sleeps": Limits(commits=3),
    "no answers": Limits(commits=2, lost=1, late=1),
    "replacements": Limits(commits=2, replacements=1),
}
LONG = {
    "sleeps of four": Limits(commits=4),
    "reads": Limits(commits=3, reads=1),
    "late puts of four": Limits(commits=4, late=1),
    "late and lost": Limits(commits=3, late=1, lost=1),
    "replacements of three": Limits(commits=3, replacements=1),
    "two replacements": Limits(commits=2, replacements=2, snapshots=2),
    "late replacements": Limits(commits=2, replacements=1, late=1, lost=1),
}
SEARCHES = {**QUICK, **LONG} if FULL else QUICK

PLANTED = {
    "put_has_a_condition": ("a record replaces another's", QUICK["sleeps"]),
    "own_record_is_known": ("a refusal by one's own record is another's", QUICK["no answers"]),
    "writer_checks_the_floor": ("a put after a sleep is acknowledged", QUICK["sleeps"]),
    "reader_checks_the_floor": ("a record is believed after a sleep", QUICK["sleeps"]),
    "stale_loser_believes_no_winner": (
        "a winner's record is believed after a sleep",
        LONG["late puts of four"],
    ),
    "reaper_waits": ("records are removed at once", QUICK["sleeps"]),
    "newest_stays": ("the newest record is removed", QUICK["sleeps"]),
    "floor_comes_first": ("records are removed before the floor is raised", LONG["sleeps of four"]),
    "unanswered_is_put_again": ("no answer is taken for a refusal", QUICK["no answers"]),
    "known_since_the_put_was_sent": (
        "what a put says is taken for known since its answer",
        LONG["sleeps of four"],
    ),
    "refusal_after_doubt_is_checked": (
        "a refusal after a sleep in doubt is told as one",
        LONG["late and lost"],
    ),
    "known_since_the_first_put": (
        "what a repeated put says is taken for known since then",
        LONG["late puts of four"],
    ),
    "content_comes_first": ("a record names what is laid ready later", QUICK["replacements"]),
    "named_content_is_read": ("a replacement is applied to what was", QUICK["replacements"]),
    "reaper_reads_it_too": ("a snapshot has what was replaced", QUICK["replacements"]),
    "content_stays": ("what lies ready is deleted too soon", QUICK["replacements"]),
    "content_covers_nothing": (
        "records go before a replacement has a name of its own",
        QUICK["replacements"],
    ),
}

pytestmark = [
    pytest.mark.timeout(7_200 if FULL else 900),
    pytest.mark.usefixtures("no_collector"),
]


@pytest.mark.parametrize("name", SEARCHES)
def test_in_every_order_nothing_is_lost_and_nothing_false_is_believed(name: str) -> None:
    states = search(Rules(), SEARCHES[name])

    record(f"log_table_model_{name.replace(' ', '_')}", states=states)
    assert states > 5_000


def test_each_rule_is_planted() -> None:
    assert list(PLANTED) == [field.name for field in fields(Rules)]


@pytest.mark.parametrize("rule", PLANTED)
def test_a_rule_that_is_taken_out_is_missed(rule: str) -> None:
    bug, limits = PLANTED[rule]

    with pytest.raises(Violation):
        search(replace(Rules(), **{rule: False}), limits)
    record_planted(f"log in a table: {bug}", "every order of the steps")
