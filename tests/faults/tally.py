"""What the campaigns counted: each case kept for the page on reliability, the sums printed."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from tests.faults.report import FULL, record

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

TIMEOUT_S = 3_600 if FULL else 120

_sums: dict[str, Counter[str]] = {}


def keep(campaign: str, case: str, counts: "DataclassInstance") -> None:
    """Keep what one case of a campaign counted; its next run replaces it."""
    numbers = asdict(counts)
    _sums.setdefault(campaign, Counter()).update(numbers)
    name = re.sub(r"[^a-z0-9]+", "-", f"{campaign} {case}".lower()).strip("-")
    record(name, campaign=campaign, case=case, **numbers)


def lines() -> Iterator[str]:
    """For each campaign of this run the sums over its cases."""
    for campaign, sums in _sums.items():
        counts = ", ".join(f"{count:,} {what.replace('_', ' ')}" for what, count in sums.items())
        yield f"{campaign}: {counts}"
