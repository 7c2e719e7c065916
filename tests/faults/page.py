"""The page on reliability, written from what the last full run counted.

python -m tests.faults.page     build/faults/full -> docs/reliability.json -> docs/reliability.md

With --add, those campaigns that were run in full by themselves take the place of their last run:

SQLATCH_FAULTS_FULL=1 python -m pytest tests/faults/test_oracle.py
"""

import argparse
import ast
import datetime
import json
import os
import platform
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import apsw

from tests.faults.promises import NOT_RUN, PROMISES, Figure, Promise
from tests.faults.report import COUNTED_IN_FULL
from tests.writers import ROOT

JSON_FILE = ROOT / "docs" / "reliability.json"
PAGE_FILE = ROOT / "docs" / "reliability.md"
PEERS_FILES = [ROOT / "tests" / "faults" / f"test_peers{part}.py" for part in ("", "_locks")]

Records = Mapping[str, Mapping[str, Any]]

INTRODUCTION = """\
# What sqlatch promises, and how that is tested

`make faults FULL=1` runs all of this and then writes this page; `make faults` and `make nfs` run a
short version of it before every change. The figures are those of each campaign's last full run;
[`reliability.json`](reliability.json) has the counts of every case.
"""


def collected(directory: Path) -> dict[str, Any]:
    """The counts of a full run, and what they were made with."""
    return {
        "made": {
            "on": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "python": platform.python_version(),
            "sqlite": apsw.sqlite_lib_version(),
            "linux": platform.release().split("-")[0],
            "processors": os.cpu_count(),
        },
        "records": {
            path.stem: json.loads(path.read_text()) for path in sorted(directory.glob("*.json"))
        },
    }


def added(counted: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    """The counts of a full run, with those of the campaigns that were run again by themselves."""
    began = counted["made"].get("from", counted["made"]["on"])
    return {
        "made": {**later["made"], "from": began},
        "records": dict(sorted((counted["records"] | later["records"]).items())),
    }


def as_json(counted: Mapping[str, Any]) -> str:
    """A record a line, so that two runs can be compared."""
    lines = ",\n".join(
        f"{json.dumps(name)}: {json.dumps(counts)}" for name, counts in counted["records"].items()
    )
    return f'{{"made": {json.dumps(counted["made"])},\n"records": {{\n{lines}\n}}}}\n'


def page(counted: Mapping[str, Any]) -> str:
    """The page, in Markdown."""
    made, records = counted["made"], counted["records"]
    parts = [
        INTRODUCTION,
        f"Run {_days(made)}: Python {made['python']}, SQLite {made['sqlite']}, Linux"
        f" {made['linux']}, {made['processors']} processors.\n",
        *(_promise(promise, records) for promise in PROMISES),
        _planted(records),
        _peers(),
        "## What was not run\n\n" + "\n".join(f"- {what}" for what in NOT_RUN) + "\n",
    ]
    return "\n".join(parts)


def _days(made: Mapping[str, Any]) -> str:
    began = made.get("from", made["on"])
    return f"on {began}" if began == made["on"] else f"from {began} to {made['on']}"


def figure(wanted: Figure, records: Records) -> str:
    """The number as it is printed; `not run` if no record has it, and whether one is of `short`."""
    counted = [
        counts
        for name, counts in records.items()
        if wanted.count in counts and any(fnmatchcase(name, one) for one in wanted.records)
    ]
    if not counted:
        return "not run"
    numbers = [counts[wanted.count] for counts in counted]
    number = max(numbers) if wanted.largest else sum(numbers)
    form = " (short run)" if any(counts.get("short") for counts in counted) else ""
    return f"{round(number, 3):,}{wanted.unit}{form}"


def _promise(promise: Promise, records: Records) -> str:
    links = ", ".join(f"[`{path}`](../{path})" for path in promise.tests)
    rows = [f"| {one.label} | {figure(one, records)} |" for one in promise.figures]
    table = ["| counted | |", "|---|---:|", *rows]
    return "\n".join([f"## {promise.title}", "", promise.how, "", links, "", *table, ""])


def _planted(records: Records) -> str:
    planted = [counts for name, counts in records.items() if name.startswith("planted-")]
    rows = sorted(f"| {counts['bug']} | {counts['caught_by']} |" for counts in planted)
    return "\n".join(
        [
            "## Each campaign sees the bug that it is there for",
            "",
            "Every promise is broken on purpose in the code, and the campaign has to complain.",
            "",
            "| bug planted | caught by |",
            "|---|---|",
            *(rows or ["| not run | |"]),
            "",
        ]
    )


def _peers() -> str:
    lines = [f"- {fact}" for path in PEERS_FILES for fact in _facts(path)]
    return "\n".join(
        [
            "## What went wrong elsewhere",
            "",
            "Failures of other tools of this kind, each a test that passes here:"
            " [`test_peers.py`](../tests/faults/test_peers.py),"
            " [`test_peers_locks.py`](../tests/faults/test_peers_locks.py).",
            "",
            *lines,
            "",
        ]
    )


def _facts(path: Path) -> Iterator[str]:
    """The facts that a test file states: the names of its tests, as sentences."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.name.removeprefix("test_").replace("_", " ")


def main() -> None:
    parser = argparse.ArgumentParser(description="Write docs/reliability.md.")
    parser.add_argument("--add", action="store_true", help="keep what was not run again")
    counted = collected(COUNTED_IN_FULL)
    if parser.parse_args().add:
        counted = added(json.loads(JSON_FILE.read_text()), counted)
    JSON_FILE.write_text(as_json(counted))
    PAGE_FILE.write_text(page(json.loads(JSON_FILE.read_text())))


if __name__ == "__main__":
    main()
