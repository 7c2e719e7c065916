"""Progress on a terminal, from the first second: of reading a file, and of loading its rows."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from sqlatch.command.output import printable
from sqlatch.command.packed import Told


@contextmanager
def reading(doing: str, size_bytes: int | None) -> Iterator[Told]:
    """A bar of bytes, of a size if that is known; it is gone at the end."""
    with _progress(DownloadColumn(), transient=True) as progress:
        task = progress.add_task(printable(doing), total=size_bytes)
        yield lambda read_bytes: progress.update(task, completed=read_bytes)


def of_rows() -> Progress:
    """Bars of rows, one for each task."""
    return _progress(MofNCompleteColumn())


def _progress(counted: ProgressColumn, *, transient: bool = False) -> Progress:
    console = Console(file=sys.stderr)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        counted,
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=transient,
        disable=not console.is_terminal,
    )
