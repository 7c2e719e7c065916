"""A whole run of the benchmarks, as small as can be: that it works, not what it measures."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.writers import ROOT

COUNTED = (
    "dynamodb_read", "dynamodb_write", "dynamodb_many", "vfs_read", "vfs_write",
    "new_bytes", "together_refused", "together_lost", "together_4ms_refused", "together_4ms_lost",
)  # fmt: skip
"""The tables that hold counts, which do not vary: their goals are reached in every run."""


def test_a_run_measures_every_table_and_writes_results_page_and_plot(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "--counts", "tiny", "--output", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, env={**os.environ}, check=True, stdout=subprocess.DEVNULL)
    results = json.loads((tmp_path / "results.json").read_text())
    tables = {table["key"]: table for table in results["tables"]}
    page = (tmp_path / "performance.md").read_text()

    unmeasured = {key for key, table in tables.items() if not table["figures"]}
    assert {key for key in unmeasured if not key.startswith(("nfs_", "strace_"))} == set()
    for key in COUNTED:
        verdicts = [goal["reached"] for goal in tables[key]["goals"]]
        assert verdicts, key
        assert all(verdicts), tables[key]
    assert all(
        f"## {table['part_of'] or table['title']}" in page
        for table in tables.values()
        if table["figures"]
    )
    assert (tmp_path / "performance.svg").read_text().startswith("<svg")
