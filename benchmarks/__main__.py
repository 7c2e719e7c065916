"""`make bench`: run every experiment, show the tables, and write what came out.

python -m benchmarks [--quick] [--only NAME] [--output DIRECTORY]
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

from rich.console import Console

from benchmarks import cloud, page, plot, results, terminal
from benchmarks.counts import COUNTS
from benchmarks.experiment import Experiment
from benchmarks.plan import EXPERIMENTS
from benchmarks.sampling import Tables, joined
from benchmarks.workplace import Workplace
from tests.dynamodb_server import CREDENTIALS

ROOT = Path(__file__).parent.parent
BUILD = ROOT / "build" / "benchmarks"
RESULTS = "results.json"
STDERR_FILE = "stderr.txt"
STDERR_SHOWN_CHARACTERS = 4_000
WIDTH_WITHOUT_TERMINAL = 120


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, show, write. A goal that is missed is no failure of the run."""
    options = _options(arguments)
    console = Console(
        highlight=False, width=None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL
    )
    BUILD.mkdir(parents=True, exist_ok=True)
    chosen = [one for one in EXPERIMENTS if options.only in (None, one.name)]
    began = results.Moment()
    with tempfile.TemporaryDirectory(dir=options.directory or BUILD) as name:
        directory = Path(name)
        tables = []
        with _logs_in(directory), cloud.running() as url:
            os.environ["AWS_ENDPOINT_URL"] = url
            work = Workplace(directory, COUNTS[options.counts])
            for experiment in chosen:
                tables += _run(experiment, work, console)
        run = results.results_of(tables, counts=options.counts, directory=directory, began=began)
    terminal.show_sum(console, tables)
    if options.only is None:
        _write(run, options.output or _output(options.counts), console)
    return 0


def _run(experiment: Experiment, work: Workplace, console: Console) -> list[results.Results]:
    started_s = monotonic()
    tables = measured(experiment, work)
    for table in tables:
        terminal.show(console, table)
    console.print(f"[dim]{experiment.name}: {monotonic() - started_s:.1f} s[/]\n")
    return tables


def measured(experiment: Experiment, work: Workplace) -> list[results.Results]:
    """The tables of an experiment, run again as long as noise decides one of its goals."""
    taken: Tables = {}
    for _run in range(work.counts.runs_max):
        taken = joined(taken, experiment.run(work))
        tables = [results.table_of(table, taken[table.key]) for table in experiment.tables]
        if not any(goal["is_noisy"] for table in tables for goal in table["goals"]):
            break
    return tables


def _write(run: results.Results, output: Path, console: Console) -> None:
    """The page and its picture lie in docs/ where the results are those to be kept."""
    docs = ROOT / "docs" if output == ROOT / "benchmarks" else output
    output.mkdir(parents=True, exist_ok=True)
    results.write(run, output / RESULTS)
    (docs / "performance.md").write_text(page.page(run))
    (docs / "performance.svg").write_text(plot.plot(run))
    console.print(f"written: {output / RESULTS}, {docs / 'performance.md'}, performance.svg")


def _output(counts: str) -> Path:
    return ROOT / "benchmarks" if counts == "full" else BUILD


@contextmanager
def _logs_in(directory: Path) -> Iterator[None]:
    """Our stderr and our children's is a file, so that a log line costs a write, as on Lambda."""
    os.environ.update(CREDENTIALS)
    os.environ["POWERTOOLS_LOG_LEVEL"] = "INFO"
    sys.stderr.flush()
    terminal_descriptor = os.dup(2)
    with (directory / STDERR_FILE).open("wb") as file:
        os.dup2(file.fileno(), 2)
    failed = True
    try:
        yield
        failed = False
    finally:
        sys.stderr.flush()
        os.dup2(terminal_descriptor, 2)
        os.close(terminal_descriptor)
        if failed:
            sys.stderr.write((directory / STDERR_FILE).read_text()[-STDERR_SHOWN_CHARACTERS:])


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", dest="counts", action="store_const", const="quick", default="full"
    )
    parser.add_argument("--counts", choices=COUNTS, help="likewise, by name")
    parser.add_argument("--only", metavar="NAME", help="one experiment; writes nothing")
    parser.add_argument("--directory", type=Path, help="where databases are made: a real disk")
    parser.add_argument("--output", type=Path, help="where results, page and plot are written")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
