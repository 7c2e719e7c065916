"""An export to a file: part by part behind a journal, so that one that was killed goes on."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Self

from sqlatch.client import Client
from sqlatch.command.exits import Exit, Failure
from sqlatch.command.formats import Form
from sqlatch.command.reading import Part, Reading

PART_SUFFIX = ".part"
JOURNAL_SUFFIX = ".sqlatch-export"


@dataclass(slots=True)
class Journal:
    """The progress of an export: `mark` is where the next part begins, `what` says of what."""

    path: Path
    what: list[Any]
    size_bytes: int = 0
    rows: int = 0
    states: int = 0
    state: str = ""
    mark: Any = None

    @classmethod
    def of(cls, file: Path, what: list[Any], *, resume: bool) -> Self:
        """Open the journal of an export that stopped, to go on, or begin one."""
        path = file.with_name(file.name + JOURNAL_SUFFIX)
        if not (resume and path.exists()):
            return cls(path, what)
        try:
            journal = cls(path, **json.loads(path.read_bytes()))
        except (ValueError, TypeError) as error:
            raise Failure(
                f"{path} cannot be read: {error}; leave out --resume", Exit.BAD_DATA
            ) from error
        if journal.what != what:
            raise Failure(
                f"{path} is of another export, of {journal.what[1]!r}: leave out --resume to begin"
                " anew",
                Exit.BAD_DATA,
            )
        return journal

    def write(self) -> None:
        fields = {name: value for name, value in asdict(self).items() if name != "path"}
        # Renamed into its place: an export that is killed leaves the old one or the new one.
        begun = self.path.with_name(f"{self.path.name}.tmp")
        begun.touch(mode=0o600)  # a link in it is for its owner alone
        begun.write_text(json.dumps(fields))
        os.replace(begun, self.path)  # noqa: PTH105 (says that it replaces)


@dataclass(slots=True)
class Export:
    """All parts of a reading, in a form. `states` are those of the database that were seen."""

    client: Client
    reading: Reading
    form: Form
    told: Callable[[int, int], None]
    rows: int = 0
    states: int = 0
    _state: str = field(default="", init=False)

    def write(self, stream: BinaryIO) -> None:
        """Write all parts to a stream."""
        mark, is_first, size_bytes = None, True, 0
        while is_first or mark is not None:
            part = self.reading.part(self.client, mark)
            size_bytes += stream.write(self._content(part, is_first=is_first))
            mark, is_first = part.next, False
            self.told(self.rows, size_bytes)
        stream.flush()

    def write_file(self, file: Path, journal: Journal) -> None:
        """Write a file, which is there when it is whole."""
        begun = file.with_name(file.name + PART_SUFFIX)
        is_first = not journal.size_bytes
        self.rows, self.states, self._state = journal.rows, journal.states, journal.state
        with begun.open("r+b" if not is_first and begun.exists() else "wb") as stream:
            if stream.seek(0, os.SEEK_END) < journal.size_bytes:
                raise Failure(
                    f"{begun} is shorter than it was: leave out --resume to begin anew",
                    Exit.BAD_DATA,
                )
            stream.truncate(journal.size_bytes)
            if not is_first:
                self.form.begin_again(begun)
            while is_first or journal.mark is not None:
                part = self.reading.part(self.client, journal.mark)
                stream.seek(journal.size_bytes)
                journal.size_bytes += stream.write(self._content(part, is_first=is_first))
                stream.flush()
                os.fsync(stream.fileno())
                journal.rows, journal.states, journal.state = self.rows, self.states, self._state
                journal.mark, is_first = part.next, False
                journal.write()
                self.told(self.rows, journal.size_bytes)
        self.form.finish(begun)
        os.replace(begun, file)  # noqa: PTH105 (says that it replaces)
        journal.path.unlink(missing_ok=True)

    def _content(self, part: Part, *, is_first: bool) -> bytes:
        head = b""
        if is_first:
            head = self.form.head(part.columns, self.reading.kinds, part.rows)
        content = head + self.form.rows(part.columns, part.rows, self.rows)
        self.rows += len(part.rows)
        self.states += part.state != self._state
        self._state = part.state
        return content
