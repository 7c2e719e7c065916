"""A batch: steps whose conditions look back at the steps before them."""

from typing import Any

from hrana.protocol import (
    CONDITION_DEPTH_MAX,
    Batch,
    Cond,
    IsAutocommit,
    Not,
    Several,
    too_deep,
)
from hrana.refusals import RequestRefused, StatementRefused
from hrana.stream import Stream

StepResults = tuple[list[dict[str, Any] | None], list[dict[str, str] | None]]
"""Results and errors of each step; both None for one that was skipped."""


def run(batch: Batch, stream: Stream, request: int = 0) -> StepResults:
    """Run the steps whose conditions hold, in order; an error only ends its own step.

    `request` is the place of the batch in its pipeline. A step that an earlier run of the request
    came past is run if that has run it.
    """
    results: list[dict[str, Any] | None] = []
    errors: list[dict[str, str] | None] = []
    for number, step in enumerate(batch.steps):
        result = error = None
        index = (request, number, 0)
        runs = stream.has_run(index)
        if runs is None:
            runs = step.condition is None or _holds(step.condition, stream, results, errors)
        if runs:
            try:
                result = stream.execute(index, step.stmt)
            except StatementRefused as refusal:
                error = stream.told(refusal).body()
        results.append(result)
        errors.append(error)
    return results, errors


def check(batch: Batch) -> None:
    """RequestRefused for a condition that looks at a later step, or is nested too deep."""
    for number, step in enumerate(batch.steps):
        if step.condition is not None:
            _check(step.condition, number)


def _check(condition: Cond, number: int, depth: int = 1) -> None:
    if depth > CONDITION_DEPTH_MAX:
        raise too_deep()
    if isinstance(condition, Not):
        _check(condition.cond, number, depth + 1)
    elif isinstance(condition, Several):
        for one in condition.conds:
            _check(one, number, depth + 1)
    elif not isinstance(condition, IsAutocommit) and not 0 <= condition.step < number:
        raise RequestRefused(
            f"the condition of step {number} looks at step {condition.step}; it can look at the"
            " steps before it, numbered from 0",
            "BAD_REQUEST",
        )


def _holds(
    condition: Cond,
    stream: Stream,
    results: list[dict[str, Any] | None],
    errors: list[dict[str, str] | None],
) -> bool:
    if isinstance(condition, Not):
        return not _holds(condition.cond, stream, results, errors)
    if isinstance(condition, Several):
        each = (_holds(one, stream, results, errors) for one in condition.conds)
        return all(each) if condition.type == "and" else any(each)
    if isinstance(condition, IsAutocommit):
        return stream.is_autocommit
    return (results if condition.type == "ok" else errors)[condition.step] is not None
