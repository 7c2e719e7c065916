"""Mutation tests: plant each fault of mutants.toml in a copy of the code, and run its room's tests.

python -m tests.mutants [TEXT ...]     those whose fault or text has one of these in it, or all

The tests have to pass on a copy without a fault first. A fault that no test notices is printed, and
the exit status is 1.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

from tests.tidy import repository

ROOT = Path(__file__).parent.parent
ROOMS = ("events", "handler", "hrana", "locking", "sqlexec", "storage")
LANES = "not slow and not e2e and not clients and not django and not wheel and not nfs"
TIMEOUT_S = 600

PASSED, FAILED = 0, 1
"""Exit statuses of pytest. The others are accidents: no tests found, an error in a module."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault, as one text of the code that becomes another."""

    fault: str
    old: str
    new: str

    def place(self, root: Path = ROOT) -> Path:
        """Return the file that has the old text, relative to the root; ValueError unless just one.

        The text may stand there once only.
        """
        found = [
            path.relative_to(root)
            for room in ROOMS
            for path in sorted((root / room).rglob("*.py"))
            for _each in range(path.read_text().count(self.old))
        ]
        if len(found) != 1:
            places = ", ".join(map(str, found)) or "nowhere"
            raise ValueError(f"{self.fault}: {self.old!r} is to stand in one place: {places}")
        return found[0]

    def plant(self, root: Path) -> Path:
        """Write the new text in place of the old one; return the file's path, as `place` does."""
        place = self.place(root)
        (root / place).write_text((root / place).read_text().replace(self.old, self.new))
        return place


def mutants() -> list[Mutant]:
    """Return the mutants of mutants.toml."""
    content = tomllib.loads((ROOT / "tests" / "mutants.toml").read_text())
    return [Mutant(**each) for each in content["mutant"]]


def passes(room: str, mutant: Mutant | None) -> bool:
    """Run the tests of a room on a copy that has the fault, if one is given; return how they end.

    RuntimeError if pytest ends otherwise than by tests that pass or fail.
    """
    with tempfile.TemporaryDirectory(prefix="mutant-") as temporary:
        root = Path(temporary)
        for path in repository():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, root / path)
        if mutant is not None:
            mutant.plant(root)
        process = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", f"tests/{room}", "-x", "-q", "-m", LANES),
                *("-p", "no:randomly", "-p", "no:cacheprovider", "--basetemp", root / "temporary"),
            ],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    if process.returncode not in (PASSED, FAILED):
        raise RuntimeError(f"{room}, {mutant}: {process.stdout[-2000:]}{process.stderr[-2000:]}")
    return process.returncode == PASSED


def _lines(chosen: Sequence[Mutant], jobs: int) -> Iterator[tuple[bool, str]]:
    rooms = [mutant.place().parts[0] for mutant in chosen]
    with ThreadPoolExecutor(jobs) as pool:
        for room, passed in zip(
            set(rooms), pool.map(passes, set(rooms), repeat(None)), strict=True
        ):
            if not passed:
                raise RuntimeError(f"the tests of {room} fail on a copy without a fault")
        for mutant, survives in zip(chosen, pool.map(passes, rooms, chosen), strict=True):
            said = "SURVIVES" if survives else "noticed"
            yield not survives, f"{said:10}{mutant.place()}: {mutant.fault}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Plant the mutants, print what became of each, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("texts", nargs="*", metavar="TEXT")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args(arguments)
    chosen = [
        each
        for each in mutants()
        if not options.texts
        or any(text in f"{each.place()} {each.fault} {each.old}" for text in options.texts)
    ]
    count = 0
    for noticed, line in _lines(chosen, options.jobs):
        print(line, flush=True)
        count += noticed
    print(f"{count} of {len(chosen)} are noticed by the tests of their rooms")
    return 0 if count == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
