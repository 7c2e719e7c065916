"""A goal is judged by what carries over to another moment, and not by noise."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from benchmarks.__main__ import measured
from benchmarks.experiment import Experiment, Table
from benchmarks.figures import goals_line, verdict_word
from benchmarks.goals import Goal
from benchmarks.sampling import Samples, Tables

NO_MORE = Goal("ours", max_ratio=2, against="theirs")
FLOOR = [10.0] * 90


def word_of(goal: Goal, samples: Samples) -> str:
    verdict = goal.judge(samples, "ms")
    return verdict_word({"reached": verdict.reached, "is_noisy": verdict.is_noisy})


@pytest.mark.parametrize(
    ("ours", "word"),
    [
        ([19.0] * 90, "reached"),
        ([21.0] * 90, "MISSED"),
        ([19.9, 20.0, 20.05] * 30, "reached"),
        ([5.0, 19.0] * 45, "reached"),
        (([10.0] * 10 + [30.0] * 10) * 4, "too noisy to judge"),
        ([10.0] * 10 + [30.0] * 80, "MISSED"),
        ([10.0], "reached"),
        ([19.0], "too noisy to judge"),
        ([0.0], "reached"),
        ([], "not measured"),
    ],
)
def test_a_goal_is_reached_missed_or_not_judged(ours: list[float], word: str) -> None:
    assert word_of(NO_MORE, {"ours": ours, "theirs": FLOOR}) == word


def test_noise_that_falls_on_both_is_none() -> None:
    slow_moments = [1.0] * 10 + [7.0] * 10 + [2.0] * 10

    samples = {"ours": [19 * slow for slow in slow_moments],
               "theirs": [10 * slow for slow in slow_moments]}  # fmt: skip

    assert word_of(NO_MORE, samples) == "reached"
    assert word_of(Goal("ours", min_ratio=1.8, against="theirs"), samples) == "reached"
    assert word_of(Goal("ours", min_ratio=2, against="theirs"), samples) == "MISSED"


def test_a_limit_with_an_addend_is_one_for_each_block() -> None:
    goal = Goal("ours", max_ratio=2, plus=100, against="theirs")

    assert word_of(goal, {"ours": [119.0] * 9, "theirs": FLOOR}) == "reached"
    assert word_of(goal, {"ours": [121.0] * 9, "theirs": FLOOR}) == "MISSED"


NOISY = ([10.0] * 10 + [30.0] * 10) * 4
STEADY = [15.0] * 400


@pytest.mark.parametrize(
    ("runs", "times", "word"),
    [
        ([STEADY], 1, "reached"),
        ([NOISY, STEADY], 2, "reached"),
        ([NOISY, NOISY, NOISY, STEADY], 3, "too noisy to judge"),
    ],
)
def test_an_experiment_is_run_again_while_noise_decides_and_no_more_than_three_times(
    runs: list[list[float]], times: int, word: str
) -> None:
    started: list[int] = []

    def run(_work: Any) -> Tables:
        started.append(len(started))
        ours = runs[started[-1]]
        return {"key": {"ours": ours, "theirs": [10.0] * len(ours)}}

    experiment = Experiment("e", run, (Table("key", "Title", "ms", "theirs", (NO_MORE,)),))
    work = cast("Any", SimpleNamespace(counts=SimpleNamespace(runs_max=3)))
    tables = measured(experiment, work)

    assert len(started) == times
    assert [verdict_word(goal) for goal in tables[0]["goals"]] == [word]
    reached = word == "reached"
    assert goals_line(tables) == (
        "1 of 1 reached" if reached else "0 of 1 reached, 1 not judged: this machine is too noisy"
    )
