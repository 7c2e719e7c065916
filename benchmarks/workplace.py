"""The place of a run: directories with copies of the table, a DynamoDB server, the counts."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from benchmarks import data, files
from benchmarks.counts import Counts
from benchmarks.subjects import Subject, open_subject


class WrongAnswer(Exception):
    """A subject does not read what is there: then its speed means nothing."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """The means of an experiment. AWS_ENDPOINT_URL names a server that answers at once."""

    directory: Path
    counts: Counts
    _numbers: Iterator[int] = field(default_factory=count)

    def place(self) -> Path:
        """The path of a directory that is not there yet."""
        return self.directory / f"place-{next(self._numbers):03}"

    def copy(self) -> Path:
        """A new directory with a copy of the table of 10,000 rows."""
        template = self.directory / "template.db"
        if not template.exists():
            files.make(template)
        return files.copy(template, self.place())

    @contextmanager
    def opened(self, names: list[str]) -> Iterator[dict[str, Subject]]:
        """The subjects, each on a copy of its own, having written once and read once."""
        with ExitStack() as stack:
            subjects = {}
            for name in names:
                subject = subjects[name] = open_subject(name, self.copy())
                stack.callback(subject.close)
                subject.write(0)
                check(name, subject.read(data.row_of(1)))
            yield subjects


def check(subject: str, read: str, number: int = data.row_of(1)) -> None:
    """Raise WrongAnswer unless that is what stands in the row."""
    if read != data.name_of(number):
        raise WrongAnswer(f"{subject} read {read!r} in row {number}")
