"""Django's own test suite, on the stock SQLite backend and on ours: the same tests must pass.

python -m tests.django.suite DIRECTORY [--quick | LABEL ...]     the sdist lies in the directory
"""

import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
ENGINES = ("django.db.backends.sqlite3", "sqlatch.django")
MEMORY = Path("/dev/shm")

LABELS = (
    "backends", "basic", "queries", "transactions", "migrations", "schema", "aggregation",
    "expressions", "bulk_create", "get_or_create", "select_for_update", "model_fields",
    "admin_views",
)  # fmt: skip

QUICK = ("backends", "basic", "transactions", "select_for_update", "get_or_create", "bulk_create",
         "aggregation", "schema", "migrations")  # fmt: skip


def run(tests: Path, engine: str, labels: list[str]) -> dict[str, str]:
    """How each test ended on an engine."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as directory:
        outcomes = Path(directory) / "outcomes.json"
        environment = {
            **os.environ,
            "SUITE_ENGINE": engine,
            "SUITE_DIRECTORY": directory,
            "SUITE_OUTCOMES": str(outcomes),
            "PYTHONPATH": str(ROOT),
            "RUNNING_DJANGOS_TEST_SUITE": "true",
        }
        started_s = time.monotonic()
        ended = subprocess.run(
            [sys.executable, "runtests.py", "--settings=tests.django.suite_settings",
             "--parallel=1", "--noinput", *labels],
            cwd=tests, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, check=False,
        )  # fmt: skip
        if not outcomes.exists():
            sys.exit(f"{engine}: the suite did not run\n{ended.stdout[-4000:]}")
        results: dict[str, str] = json.loads(outcomes.read_text())
        (tests / f"{engine}.log").write_text(ended.stdout)
    counts = ", ".join(f"{count} {ending}" for ending, count in Counter(results.values()).items())
    print(f"{engine}: {len(results)} tests: {counts} ({time.monotonic() - started_s:.0f} s)")
    return results


def main(directory: Path, labels: list[str]) -> int:
    (sdist,) = directory.glob("django-*.tar.gz")
    unpacked = sdist.with_name(sdist.name.removesuffix(".tar.gz"))
    if not unpacked.exists():
        with tarfile.open(sdist) as archive:
            archive.extractall(directory, filter="data")
    if labels == ["--quick"]:
        labels = list(QUICK)
    stock, ours = (run(unpacked / "tests", engine, labels or list(LABELS)) for engine in ENGINES)
    different = sorted(test for test in stock | ours if stock.get(test) != ours.get(test))
    for test in different:
        print(f"{test}: {stock.get(test)} on the stock backend, {ours.get(test)} on ours")
    passed = list(ours.values()).count("passed")
    print(f"{unpacked.name}: {passed} passed, {len(different)} failed")
    return bool(different) or not passed


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute(), sys.argv[2:]))
