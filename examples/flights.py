"""The demo: a year of flights out of New York goes through the handler, then questions about it."""

import argparse
import json
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.syntax import Syntax
from rich.table import Table

from examples.tables import COUNTS, INSERTS, QUESTIONS, SCHEMA, Question, open_records
from handler.local import DIRECTORY, LocalContext
from handler.query import lambda_handler
from handler.settings import SettingsError
from sqlatch.errors import SqlatchError

DATABASE = "flights"
LOG_FILE = "requests.jsonl"
CHUNK_ROWS = 10_000
MISSING = frozenset({"", "NA"})
COLUMNS = "SELECT name, type FROM pragma_table_info(?)"
CONVERTERS: Mapping[str, Callable[[str], Any]] = {"INTEGER": int, "REAL": float, "TEXT": str}


class DemoError(Exception):
    """The demo did not go as it has to; says where."""


@dataclass(slots=True)
class Cost:
    """The cost of the requests of one kind together."""

    requests: int = 0
    leases: int = 0
    calls: int = 0
    rows: int = 0
    duration_ms: float = 0.0


class Caller:
    """Calls the handler as Lambda would; `line` is what the service's log says of the last call.

    `aws` counts the calls to AWS, None where there are none.
    """

    def __init__(self, log: TextIO, aws: Counter[str] | None) -> None:
        self.line: dict[str, Any] = {}
        self.costs: dict[str, Cost] = defaultdict(Cost)
        self.bytes_shipped = 0
        self.aws = aws
        self.calls = 0
        self._log = log

    def send(self, **fields: Any) -> Mapping[str, Any]:
        """The reply to a request; its refusal is raised."""
        rows = 0
        before = self._calls()
        try:
            reply = lambda_handler({"database": DATABASE, **fields}, LocalContext())
            rows = _rows(reply)
        finally:
            self.line = json.loads(self._log.readlines()[-1])
            self.calls = self._calls() - before
            self._add(rows)
        return reply

    def _calls(self) -> int:
        return self.aws.total() if self.aws else 0

    def _add(self, rows: int) -> None:
        cost = self.costs[_kind(self.line)]
        cost.requests += 1
        cost.leases += "lease_wait_ms" in self.line
        cost.calls += self.calls
        cost.rows += rows
        cost.duration_ms += self.line["duration_ms"]
        self.bytes_shipped += self.line.get("bytes_shipped", 0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; the exit status is 1 if something is missing, refused or miscounted."""
    options = _options(arguments)
    console = Console(highlight=False)
    try:
        options.databases.mkdir(parents=True, exist_ok=True)
        with _keeping(options) as aws, _caller(options.databases / LOG_FILE, aws) as caller:
            _load(caller, console, flights_max=options.rows)
            for question in QUESTIONS:
                _ask(caller, console, question)
    except (DemoError, SettingsError, SqlatchError, OSError, ImportError) as error:
        console.print(f"[bold red]{type(error).__name__}[/]: {escape(str(error))}")
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted. Run it again: what is loaded is not loaded twice.")
        return 130
    _show_costs(console, caller)
    _show_next(console, options)
    return 0


@contextmanager
def _keeping(options: argparse.Namespace) -> Iterator[Counter[str] | None]:
    """Set where the databases are and how they are kept; yield a count of the calls to AWS."""
    if not options.aws:
        os.environ |= _setting(options)
        yield None
        return
    from examples import aws

    with aws.running() as settings, aws.counted() as calls:
        os.environ |= settings
        yield calls


@contextmanager
def _caller(path: Path, aws: Counter[str] | None) -> Iterator[Caller]:
    """The service logs to the stderr that it finds at its first request: here, a file."""
    os.environ["POWERTOOLS_LOG_LEVEL"] = "INFO"
    with path.open("a") as log, path.open() as lines, redirect_stderr(log):
        lines.seek(0, os.SEEK_END)
        yield Caller(lines, aws)


def _load(caller: Caller, console: Console, *, flights_max: int | None) -> None:
    """Load the tables, and compare what the service then counts with what lies in the files."""
    caller.send(statements=[{"query": query} for query in SCHEMA])
    console.print(f"Five tables go through the handler, {CHUNK_ROWS:,} rows an event:")
    note = TextColumn("{task.fields[note]}")
    bars = (TextColumn("{task.description:>8}"), BarColumn(24), MofNCompleteColumn(), note)
    wanted = {}
    with Progress(*bars, console=console, redirect_stderr=False) as progress:
        for table in INSERTS:
            rows_max = flights_max if table == "flights" else None
            wanted[table] = _load_table(caller, progress, table, rows_max=rows_max)
    counted = dict(caller.send(query=COUNTS)["rows"])
    if counted != wanted:
        raise DemoError(
            f"the files hold {wanted}, but the service counts {counted};"
            " to start over, give an empty directory: --databases DIR"
        )
    console.print(f"The service counts {sum(counted.values()):,} rows, and so do the files.\n")


def _load_table(caller: Caller, progress: Progress, table: str, *, rows_max: int | None) -> int:
    """Send a table's rows, an event at a time; how many the file holds, up to `rows_max`."""
    with open_records(table) as records:
        total = min(sum(1 for _record in records) - 1, rows_max or sys.maxsize)
    task = progress.add_task(table, total=total, note="")
    events_replayed = 0
    with open_records(table) as records:
        converters = _converters(caller, table, next(records))
        for first in range(0, total, CHUNK_ROWS):
            chunk = list(islice(records, min(CHUNK_ROWS, total - first)))
            reply = caller.send(
                query=INSERTS[table],
                parameter_sets=_values(chunk, converters),
                idempotency_key=f"{table} {first} {len(chunk)}",
            )
            events_replayed += reply["meta"]["replayed"]
            note = f"already there ({events_replayed} replayed)" if events_replayed else ""
            progress.update(task, advance=len(chunk), note=note)
    return total


def _converters(caller: Caller, table: str, header: list[str]) -> list[Callable[[str], Any]]:
    columns = caller.send(query=COLUMNS, parameters=[table])["rows"]
    if [name for name, _type in columns] != header:
        raise DemoError(f"the columns of {table} are not those of its file: {header}")
    return [CONVERTERS[type_name] for _name, type_name in columns]


def _values(chunk: list[list[str]], converters: list[Callable[[str], Any]]) -> list[list[Any]]:
    columns = [
        [None if cell in MISSING else convert(cell) for cell in cells]
        for convert, cells in zip(converters, zip(*chunk, strict=True), strict=True)
    ]
    return [list(row) for row in zip(*columns, strict=True)]


def _ask(caller: Caller, console: Console, question: Question) -> None:
    console.rule(f"[bold]{question.title}", align="left")
    console.print(Syntax(question.query, "sql", theme="ansi_dark", background_color="default"))
    if question.fields:
        console.print(f"[dim]{escape(json.dumps(question.fields))}")
    try:
        reply = caller.send(query=question.query, **question.fields)
    except SqlatchError as error:
        if error.code != question.refused_as:
            raise
        console.print(f"[yellow]refused, {error.code}:[/] {escape(error.message)}")
        meta: Mapping[str, Any] = caller.line
    else:
        if question.refused_as:
            raise DemoError(f"answered, and not refused as {question.refused_as}")
        _show_rows(console, reply)
        meta = reply["meta"]
    wait_ms = meta.get("lease_wait_ms")
    cost = "no lease" if wait_ms is None else f"lease taken, waited {wait_ms:.1f} ms"
    if caller.aws is not None:
        cost = f"{caller.calls} call{'' if caller.calls == 1 else 's'} to AWS"
    console.print(f"[green]{meta['duration_ms']:.1f} ms, {cost}[/]\n")


def _show_rows(console: Console, reply: Mapping[str, Any]) -> None:
    table = Table(*reply["columns"])
    for row in reply["rows"]:
        table.add_row(*("" if value is None else str(value) for value in row))
    console.print(table)


def _show_costs(console: Console, caller: Caller) -> None:
    on_aws = caller.aws is not None
    title = "called AWS" if on_aws else "took the lease"
    console.rule(f"[bold]Which kinds of requests {title}?", align="left")
    table = Table("kind")
    for heading in ("requests", "AWS calls" if on_aws else "leases", "rows", "ms"):
        table.add_column(heading, justify="right")
    for kind, cost in sorted(caller.costs.items()):
        taken = cost.calls if on_aws else cost.leases
        figures = (cost.requests, taken, cost.rows, round(cost.duration_ms))
        table.add_row(kind, *(f"{figure:,}" for figure in figures))
    console.print(table)
    if caller.aws is not None:
        calls = ", ".join(f"{name} {count}" for name, count in sorted(caller.aws.items()))
        megabytes = caller.bytes_shipped / 1e6
        console.print(f"{megabytes:.1f} MB of records were written. Calls to AWS: {calls}.")


def _setting(options: argparse.Namespace) -> dict[str, str]:
    """The setting that says where the databases are on this machine, and how they are kept."""
    if options.log:
        return {"SQLATCH_LOG": f"directory:{options.databases}"}
    return {"SQLATCH_DATABASES": str(options.databases)}


def _show_next(console: Console, options: argparse.Namespace) -> None:
    python = sys.executable.removeprefix(f"{Path.cwd()}/")
    log_file = options.databases / LOG_FILE
    if options.aws:
        console.print(f"The data was in the memory of moto's server. The service's log: {log_file}")
        console.print(
            f"Try next: {python} -m examples.aws, which starts such a server again and prints the"
            f" settings for {python} -m sqlatch serve",
            soft_wrap=True,
        )
        return
    is_default = options.databases == Path(DIRECTORY) and not options.log
    settings = {} if is_default else _setting(options)
    setting = "".join(f"{name}={value} " for name, value in settings.items())
    kept = options.databases / (DATABASE if options.log else f"{DATABASE}.db")
    body = json.dumps({"database": DATABASE, "query": "SELECT * FROM airlines"})
    console.print(f"The data is in {kept}, what the service logs in {log_file}.")
    console.print(
        f"Try next: {setting}{python} -m sqlatch serve\n"
        f"and then: curl -d '{body}' http://127.0.0.1:8000/query",
        soft_wrap=True,
        markup=False,
    )


def _kind(line: Mapping[str, Any]) -> str:
    """Return the kind of a request, by its line in the service's log."""
    if "code" in line:
        return "refused"
    return "write, replayed" if line.get("replayed") else str(line["kind"])


def _rows(reply: Mapping[str, Any]) -> int:
    """Return how many rows a request read or wrote."""
    if reply["meta"]["replayed"]:
        return 0
    results = reply.get("results", [reply])
    return sum(len(result["rows"]) or result["rows_affected"] for result in results)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.flights", description=__doc__)
    parser.add_argument("--databases", type=Path, default=Path(DIRECTORY), metavar="DIR")
    kept = parser.add_mutually_exclusive_group()
    kept.add_argument("--log", action="store_true", help="keep them as logs of transactions")
    kept.add_argument(
        "--aws", action="store_true", help="the same in DynamoDB and S3, which moto plays"
    )
    parser.add_argument("--rows", type=int, metavar="N", help="load N flights, not all")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
