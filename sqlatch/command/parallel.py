"""The load of several databases at the same time, and how each of them ended."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import click

from sqlatch.client import Client
from sqlatch.command.exits import Exit, exit_of
from sqlatch.command.journal import CannotResume, Journal
from sqlatch.command.loading import LineRefused, Load
from sqlatch.command.output import printable
from sqlatch.command.progress import of_rows
from sqlatch.command.source import BadLine, Source
from sqlatch.command.survey import Spread, Survey, read
from sqlatch.command.target import Target
from sqlatch.command.wanted import Present
from sqlatch.errors import SqlatchError

_KEY_IS_THERE = ("SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_UNIQUE")
_OPTIONS = (Present.UPSERT, Present.IGNORE, Present.REPLACE)


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of the load of one database."""

    exit_code: Exit
    message: str


def load_all(
    *,
    source: Source,
    surveyed: Survey,
    target: Target,
    present: Present,
    spread: Spread,
    clients: Sequence[Client],
    urls: Sequence[str],
    journal: Journal,
) -> list[Ended]:
    """Load the databases at the same time, each from the file by itself."""
    stop = threading.Event()
    with of_rows() as progress, ThreadPoolExecutor(len(urls)) as threads:

        def load_one(number: int) -> Ended:
            task = progress.add_task(printable(urls[number]), total=surveyed.rows[number])
            lines = (
                line
                for line in read(source, surveyed.columns, surveyed.kinds)
                if spread.takes(line.values, number)
            )
            one = Load(
                clients[number], urls[number], target.insert_sql, source.counted, journal, stop
            )
            return _ended(
                one,
                lambda: one.run(lines, lambda at: progress.update(task, completed=at)),
                present,
            )

        try:
            running = [threads.submit(load_one, number) for number in range(len(urls))]
            return [each.result() for each in running]
        except KeyboardInterrupt:
            # The blocks that are on their way are waited for, and remembered.
            stop.set()
            raise


def told(endings: Sequence[Ended], urls: Sequence[str], journal: Journal, again: str) -> int:
    """Say how each database ended; the exit code is the worst one."""
    for url, ended in zip(urls, endings, strict=True):
        prefix = f"{url}: " if len(urls) > 1 else ""
        click.echo(printable(f"{prefix}{ended.message}"), err=ended.exit_code is not Exit.OK)
    worst = max(ended.exit_code for ended in endings)
    if worst is Exit.OK:
        journal.remove()
    else:
        click.echo(f"{again}: {journal.path} knows how far it is", err=True)
    return worst


def _ended(one: Load, run: Callable[[], int], present: Present) -> Ended:
    try:
        loaded = run()
    except LineRefused as error:
        return Ended(exit_of(error.error, writes=True), f"{error}{_hint(error.error)}")
    except CannotResume as error:
        return Ended(Exit.BAD_DATA, f"{error}; --restart forgets it")
    except BadLine as error:
        return Ended(Exit.BAD_DATA, f"the file was changed while it was loaded: {error}")
    had = one.journal.done[one.url].rows - loaded if one.url in one.journal.done else 0
    passed = loaded - one.rows_affected if present is Present.IGNORE else 0
    message = f"{loaded - passed} rows loaded"
    message += f", {passed} passed over, since their keys are there" if passed else ""
    return Ended(Exit.OK, message + (f", {had} were there" if had else ""))


def _hint(error: SqlatchError) -> str:
    """Return what may be done about a row whose key is in the table."""
    if error.facts.get("sqlite_code") not in _KEY_IS_THERE:
        return ""
    return f" ({', '.join(_OPTIONS[:-1])} and {_OPTIONS[-1]} load such a file)"
