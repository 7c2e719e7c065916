"""The counts of the fault campaign, kept for the page on reliability."""

import json
import os
import re

from tests.writers import ROOT

FULL = "SQLATCH_FAULTS_FULL" in os.environ
"""Whether the large numbers are run."""

COUNTED = ROOT / "build" / "faults"
COUNTED_IN_FULL = COUNTED / "full"


def record(name: str, **counts: float | str) -> None:
    """Write the counts of one test to `<name>.json`, those of a full run apart."""
    directory = COUNTED_IN_FULL if FULL else COUNTED / "short"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{name}.json").write_text(json.dumps(counts, indent=2) + "\n")


def record_planted(bug: str, caught_by: str) -> None:
    """Note that a bug put into the code on purpose was seen by a campaign."""
    name = re.sub(r"[^a-z0-9]+", "-", f"planted {caught_by} {bug}".lower()).strip("-")
    record(name, bug=bug, caught_by=caught_by)
