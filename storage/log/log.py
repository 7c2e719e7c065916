"""The seam between the engine and the place where a log lies.

A log is the history of one database: records, numbered from 1 without a gap. The append of a record
is the commit of its transaction. Deadlines are in epoch seconds.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from sqlatch.kernel.errors import StorageError

COMMIT_ID_BYTES = 16
BASE_BYTES = 8
"""The length of the name of a snapshot that a log goes on behind."""

HISTORY_S = 7 * 86_400.0
"""How long each state of a database can be read, where nothing else is set."""

NOTHING = bytes(4)
"""The beginning of such a name where the database is deleted. No other begins so."""


def is_nothing(base: bytes) -> bool:
    """Return whether a log that goes on behind a snapshot of that name is deleted there."""
    return base.startswith(NOTHING)


def base_name() -> bytes:
    """Return the name of a snapshot that has a database."""
    return b"b" + os.urandom(BASE_BYTES - 1)


PIECE_BYTES = 16 << 20
"""About so much of a log is in memory at once, where much of it is read; a record may be larger."""


@dataclass(frozen=True, slots=True)
class Place:
    """The place in a log behind a record, where reading goes on. `txid` is that record's."""

    epoch: int
    offset: int
    txid: int


BEGINNING = Place(epoch=0, offset=0, txid=0)
"""The place before the first record."""


@dataclass(frozen=True, slots=True)
class Record:
    """One transaction: the pages that it changed, as an LTX file. `commit_id` is its writer's."""

    txid: int
    commit_id: bytes
    content: bytes
    end: Place


class Conflict(Exception):
    """The record is not in the log, and will not be: another writer has gone on.

    `records` are those of others that came with the refusal, and follow the place before it.
    """

    def __init__(self, message: str, records: Sequence[Record] = ()) -> None:
        super().__init__(message)
        self.records = list(records)


class InDoubt(Exception):
    """The record may be in the log or not: ask `outcome`."""

    @property
    def failed_call(self) -> StorageError | None:
        """The error for the caller whose record is not there, if a call of the system failed."""
        error: BaseException | None = self
        while error is not None and not isinstance(error, OSError):
            error = error.__cause__
        if error is None:
            return None
        return StorageError(f"the log: {error.strerror}; nothing was written", errno=error.errno)


class Gone(Exception):
    """The log does not reach back to this place any more: begin from a snapshot.

    `base` names the one that the log goes on behind, which may have to be taken in first.
    """

    def __init__(self, message: str, base: bytes = b"") -> None:
        super().__init__(message)
        self.base = base


@contextmanager
def in_doubt(doubt: Callable[[], None], settle: Callable[[], None]) -> Iterator[None]:
    """Append in the block: what fails there, but for a Conflict, may be in the log all the same."""
    doubt()
    try:
        yield
    except Conflict:
        settle()
        raise
    except BaseException as error:
        raise InDoubt(str(error) or repr(error)) from error
    settle()


class Log(Protocol):
    """The log of one database, which need not exist, as one instance knows it.

    Every method may raise StorageError where the place does not answer, and Timeout.
    """

    @property
    def place(self) -> Place:
        """The place behind the last record that was returned or appended."""

    @property
    def database_id(self) -> bytes | None:
        """The id of the log, which no other has; None as long as nothing was read of it."""

    @property
    def goes_first(self) -> bool:
        """Return whether a writer had better append without `ready`, and be refused if need be.

        Only where the log itself refuses what was not made on its newest state.
        """

    @property
    def has_more(self) -> bool:
        """Return whether the last `sync` or `ready` ended before the newest record.

        Then apply what it returned, and call it again.
        """

    def sync(self, deadline_s: float) -> list[Record]:
        """Return the records behind `place`, in order, of about PIECE_BYTES; Gone."""

    def ready(self, deadline_s: float, *, fence: int, seal: bool) -> list[Record]:
        """The same, and make sure that the next record can be appended, if that was all; Conflict.

        Only who has the right to write may ask it; `fence` is that of the lease, and greater than
        that of any before. `seal` where a writer before may still be about to append: whatever it
        does after this is not in the log. Conflict if a later holder has begun to write.
        """

    def append(self, commit_id: bytes, content: bytes) -> None:
        """Append the record that follows the last one: when this returns, it is in the log.

        Conflict: it is not, and never will be. InDoubt: ask `outcome`, and until that has answered
        the right to write must not be given back: the next holder has to seal.
        """

    def replace(self, base: bytes) -> None:
        """Go on behind a snapshot, in place of the next record; raises as `append`.

        It lies ready under the name `base`, and whoever comes to its place gets Gone with that.
        """

    def outcome(self, txid: int, commit_id: bytes, deadline_s: float) -> tuple[bool, list[Record]]:
        """Return whether that record is in the log, for good, and the records that are new.

        Of a snapshot that replaces, the commit id is its name.
        """

    def close(self) -> None:
        """Close what is open. The log goes on from `place` if it is asked again."""
