"""What the fault campaign counted, kept for the page on reliability."""

import json

from tests.writers import ROOT

DIRECTORY = ROOT / "build" / "faults"


def record(name: str, **counts: float | str) -> None:
    """Write the counts of one test to `build/faults/<name>.json`."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    (DIRECTORY / f"{name}.json").write_text(json.dumps(counts, indent=2) + "\n")
