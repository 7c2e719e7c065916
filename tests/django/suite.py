"""Django's own test suite, on the stock SQLite backend and on ours: the same tests must pass.

python -m tests.django.suite DIRECTORY [--quick | LABEL ...]     the sdist lies in the directory

Over the network some tests end otherwise: which, how and why stands in remote_differences.toml.
"""

import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.django.suite_server import serving

ROOT = Path(__file__).parent.parent.parent
MEMORY = Path("/dev/shm")
DIFFERENCES = Path(__file__).with_name("remote_differences.toml")

Outcomes = dict[str, str]

MORE = {("skipped", "passed"), ("skipped", None)}
"""What a backend can do beyond the stock one; None is a class that is not skipped as a whole."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A database backend, what of the suite it runs, and what part of that is quick.

    `one_by_one`: each label in a process of its own, as a test that flushes has fewer tables then.
    """

    name: str
    labels: Sequence[str]
    quick: Sequence[str]
    one_by_one: bool = False


LOCAL = (
    "backends", "basic", "queries", "transactions", "migrations", "schema", "aggregation",
    "expressions", "bulk_create", "get_or_create", "select_for_update", "model_fields",
    "admin_views",
)  # fmt: skip
QUICK = ("backends", "basic", "transactions", "select_for_update", "get_or_create", "bulk_create",
         "aggregation", "schema", "migrations")  # fmt: skip
REMOTE = (*LOCAL[:-1], "db_functions", "datetimes", "timezones", "introspection", "inspectdb")
QUICK_REMOTE = ("basic", "transactions", "get_or_create", "bulk_create", "select_for_update")

STOCK = Engine(
    "django.db.backends.sqlite3",
    tuple(dict.fromkeys((*LOCAL, *REMOTE))),
    tuple(dict.fromkeys((*QUICK, *QUICK_REMOTE))),
)
OURS = (
    Engine("sqlatch.django", LOCAL, QUICK),
    Engine("sqlatch.django.remote", REMOTE, QUICK_REMOTE, one_by_one=True),
)


def run(tests: Path, engine: Engine, labels: Sequence[str]) -> Outcomes:
    """Run the tests on an engine, and return how each ended."""
    started_s = time.monotonic()
    results: Outcomes = {}
    for part in [[label] for label in labels] if engine.one_by_one else [labels]:
        results |= _run(tests, engine, part)
    counts = ", ".join(f"{count} {ending}" for ending, count in Counter(results.values()).items())
    print(f"{engine.name}: {len(results)} tests: {counts} ({time.monotonic() - started_s:.0f} s)")
    return results


def _run(tests: Path, engine: Engine, labels: Sequence[str]) -> Outcomes:
    with ExitStack() as stack:
        memory = MEMORY if MEMORY.is_dir() else None
        directory = stack.enter_context(tempfile.TemporaryDirectory(dir=memory))
        outcomes = Path(directory) / "outcomes.json"
        environment = {
            **os.environ,
            "SUITE_ENGINE": engine.name,
            "SUITE_DIRECTORY": directory,
            "SUITE_OUTCOMES": str(outcomes),
            "PYTHONPATH": str(ROOT),
            "RUNNING_DJANGOS_TEST_SUITE": "true",
        }
        if engine.name.endswith(".remote"):
            environment |= stack.enter_context(serving(Path(directory)))
        ended = subprocess.run(
            [sys.executable, "runtests.py", "--settings=tests.django.suite_settings",
             "--parallel=1", "--noinput", *labels],
            cwd=tests, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, check=False,
        )  # fmt: skip
        (tests / f"{engine.name}-{'-'.join(labels)}.log"[:100]).write_text(ended.stdout)
        if not outcomes.exists():
            sys.exit(f"{engine.name}: the suite did not run\n{ended.stdout[-4000:]}")
        results: Outcomes = json.loads(outcomes.read_text())
    return results


def listed() -> Outcomes:
    """Return the listed endings of the tests that end otherwise over the network."""
    found = tomllib.loads(DIFFERENCES.read_text())["differences"]
    return {
        test: ending for one in found for ending, tests in one["endings"].items() for test in tests
    }


def compare(stock: Outcomes, ours: Outcomes, expected: Mapping[str, str]) -> list[str]:
    """Return a line for each test that ends neither as on the stock backend nor as listed.

    A test that passes on ours and is skipped on the stock backend is as it should be. What is
    skipped there hangs on the SQLite of this Python too.
    """
    wrong = []
    for test in sorted(stock | ours):
        before, now = stock.get(test), ours.get(test)
        if test in expected and now == before != "skipped":
            wrong.append(f"{test}: {now} on both, but it is listed as a difference")
        elif now != expected.get(test, before) and (before, now) not in MORE:
            wrong.append(f"{test}: {before} on the stock backend, {now} on ours")
    return wrong


def of_labels(outcomes: Outcomes, labels: Collection[str]) -> Outcomes:
    """Those of the outcomes that belong to some labels."""
    return {test: how for test, how in outcomes.items() if test.partition(".")[0] in labels}


def main(directory: Path, labels: list[str]) -> int:
    (sdist,) = directory.glob("django-*.tar.gz")
    unpacked = sdist.with_name(sdist.name.removesuffix(".tar.gz"))
    if not unpacked.exists():
        with tarfile.open(sdist) as archive:
            archive.extractall(directory, filter="data")
    is_quick = labels == ["--quick"]

    def wanted(engine: Engine) -> Sequence[str]:
        return engine.quick if is_quick else labels or engine.labels

    stock = run(unpacked / "tests", STOCK, wanted(STOCK))
    failed = 0
    for engine in OURS:
        ours = run(unpacked / "tests", engine, wanted(engine))
        expected = listed() if engine.name.endswith(".remote") else {}
        roots = {label.partition(".")[0] for label in wanted(engine)}
        wrong = compare(of_labels(stock, roots), ours, expected)
        for line in wrong:
            print(line)
        different = sum(1 for test in ours if test in expected)
        passed = list(ours.values()).count("passed")
        print(
            f"{unpacked.name}, {engine.name}: {passed} passed, {different} as listed,"
            f" {len(wrong)} failed"
        )
        failed += len(wrong) or not passed
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute(), sys.argv[2:]))
