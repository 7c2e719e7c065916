"""The private copy of one database: opened, brought up to date with its log, thrown away."""

from collections.abc import Callable
from contextlib import suppress
from math import inf
from pathlib import Path

import apsw

from sqlatch.kernel.errors import DatabaseCorrupt, StorageError
from storage.log.archive import Archive
from storage.log.bookmark import Bookmark
from storage.log.copy_file import CopyFile, as_told, told
from storage.log.copy_lock import CopyLock
from storage.log.log import Gone, Log, Place, Record
from storage.log.ltx import Damaged, decode
from storage.translate import in_our_words
from storage.work import Work

Ask = Callable[[Log], list[Record]]
NO_SNAPSHOT = "and there is no snapshot that it continues: restore it from a backup"


class Replica:
    """The copy is a prefix of the log, and no byte in it is the only one of its kind.

    It belongs to one process, in which several connections may be open on it. So one that fails in
    any way is thrown away, and begun anew from the log; `generation` then grows, and connections of
    the one before must be closed. Deadlines are in epoch seconds.
    """

    def __init__(
        self,
        name: str,
        directory: Path,
        open_log: Callable[[Place, bytes | None], Log],
        archive: Archive,
        *,
        now: Callable[[], float],
        work: Work,
    ) -> None:
        self.file = CopyFile(directory / "db", work)
        self.generation = 0
        self.is_there = False
        """There is a database: somebody has made one, and nobody has deleted it since."""
        self.replacements = 0
        """How often a record made every page anew."""
        self.name = name
        self.open_log = open_log
        self.archive = archive
        self.now = now
        self.work = work
        self._lock = CopyLock(name, now)
        self._connections = 0
        self._has_looked = self._is_unasked = self._is_to_go = False
        self.checked_at_s = -inf
        self._opened_log: Log | None = None
        with told(name):
            directory.mkdir(mode=0o700, exist_ok=True)
            self._bookmark = Bookmark(directory / "pos")
            self._take_over()

    @property
    def txid(self) -> int:
        """The number of the last transaction in the copy, or 0."""
        return self._bookmark.place.txid

    def is_within(self, max_age_s: float) -> bool:
        """Return whether the copy was the newest state less than that time ago, if clocks agree."""
        return max_age_s == inf or 0 <= self.now() - self.checked_at_s < max_age_s

    def catch_up(self, deadline_s: float) -> None:
        """Apply what is new in the log."""
        self._follow(lambda log: log.sync(deadline_s), deadline_s)

    def ready(self, deadline_s: float, *, fence: int, seal: bool = False) -> None:
        """The same, and be able to append the next record; Conflict if a later holder has begun."""
        # Copies of a log that begins would begin with the files that another has left.
        if not self.txid and self._has_looked and self.archive.start() is not None:
            self._has_looked = False
            self.begin_anew()
        self._follow(lambda log: log.ready(deadline_s, fence=fence, seal=seal), deadline_s)

    def append(self, commit_id: bytes, content: bytes) -> None:
        """Append the next record to the log. The copy has its pages, but stands before it."""
        self.work.attempts += 1
        self.work.bytes_shipped += len(content)
        self.log.append(commit_id, content)
        self._is_unasked = False

    def advance(self) -> None:
        """The copy has committed what was appended."""
        self._bookmark.log_id = self.log.database_id
        self._bookmark.commit(self.log.place)
        self.is_there = True

    def outcome(self, commit_id: bytes, deadline_s: float) -> bool:
        """Return whether the record that was to follow, which the copy has rolled back, is in the
        log, and apply what is new."""
        if self.log.place.txid != self.txid:
            self.reread()  # the append was done, and then interrupted
        txid, is_there = self.txid + 1, False

        def ask(log: Log) -> list[Record]:
            nonlocal is_there
            is_there, records = log.outcome(txid, commit_id, deadline_s)
            return records

        self._follow(ask, deadline_s)
        self.checked_at_s = -inf  # others may have gone on behind what was asked for
        return is_there

    def go_first(self) -> bool:
        """Begin a transaction without `ready`, if the log had better refuse it than be asked."""
        self._is_unasked = self.txid > 0 and self.log.goes_first
        return self._is_unasked

    def has_missed(self, deadline_s: float) -> bool:
        """Return whether others had written when such a transaction was, which appended nothing."""
        if not self._is_unasked:
            return False
        txid = self.txid
        self.catch_up(deadline_s)
        return self.txid != txid

    def take(self, records: list[Record], deadline_s: float) -> None:
        """Apply records that came with the refusal of an append."""
        self._follow_or_begin_anew(lambda _log: records, deadline_s)

    def connect(self) -> None:
        """A connection is about to be opened on the copy: records are applied under its lock."""
        self.wake()
        self._lock.open(self.file.path, self.file.vfs)
        self._connections += 1

    def disconnect(self) -> None:
        self._connections -= 1

    def rest(self, *, keeps_log: bool = False) -> None:
        """Close every file, if no connection is open on the copy; the next use opens them again."""
        if not self._connections:
            self._close_files()
            if not keeps_log:
                self.reread()

    def begin_anew(self) -> None:
        """Throw the copy away, at the latest before the next question to the log. What is open on
        it must be closed, and sees nothing of this."""
        self._have_opened_again()
        self.checked_at_s = -inf
        self._close_files()
        self._is_to_go = True
        with suppress(OSError):
            self._remove()
        self.reread()

    def reread(self) -> None:
        """Go on in the log from where the copy stands, wherever the log has been read to."""
        log, self._opened_log = self._opened_log, None
        if log is not None:
            log.close()

    def apply(self, records: list[Record], deadline_s: float) -> None:
        """Put records into the copy, all under one lock, so that no reader sees a state between."""
        if not records:
            return
        self.wake()
        with self._lock.held(deadline_s):
            self._bookmark.log_id = self.log.database_id
            self._bookmark.begin(records[-1].txid)
            for record in records:
                self._put(record)
        self.work.records_applied += len(records)

    @property
    def log(self) -> Log:
        if self._opened_log is None:
            self._opened_log = self.open_log(self._bookmark.place, self._bookmark.log_id)
        return self._opened_log

    def wake(self) -> None:
        """Open the copy's file. One that cannot be made whole is thrown away."""
        if self.file.descriptor < 0:
            try:
                self._open_file()
            except apsw.Error as error:
                self.begin_anew()
                raise in_our_words(error, self.name) from error

    def _open_file(self) -> None:
        """Undo a commit left half done before records are applied: it would take pages back."""
        with told(self.name):
            self.file.open_again(self.archive.snapshots)
            if self._bookmark.is_clean:
                self.file.roll_back()
        self.is_there = self.txid > 0 and self.file.has_pages

    def _close_files(self) -> None:
        self._lock.close()
        self.file.close()

    def _take_over(self) -> None:
        """Make what an earlier process left usable, or remove it.

        A copy that is torn is not opened by SQLite, which would read what is half applied.
        """
        if self.txid and self.file.path.exists():
            try:
                self._open_file()
            except (apsw.Error, Damaged):
                self._remove()
        else:
            self._remove()

    def _follow(self, ask: Ask, deadline_s: float) -> None:
        asked_at_s = self.now()
        self._is_unasked = False
        self._follow_or_begin_anew(ask, deadline_s)
        while self.log.has_more:
            self._follow_or_begin_anew(ask, deadline_s)
        self._bookmark.note(self.log.database_id)
        self.checked_at_s = asked_at_s
        if self.file.has_become_whole():  # opened again, it fetches nothing
            self._have_opened_again()
            self.rest(keeps_log=True)

    def _follow_or_begin_anew(self, ask: Ask, deadline_s: float) -> None:
        try:
            self._follow_on_whole(ask, deadline_s)
        except Damaged as error:
            self.begin_anew()
            raise DatabaseCorrupt(f"the log of database {self.name!r}: {error}") from error
        except OSError as error:
            self.begin_anew()
            raise as_told(error, self.name) from error
        except BaseException:
            # The log has gone on, and the copy perhaps not.
            self.reread()
            raise

    def _follow_on_whole(self, ask: Ask, deadline_s: float) -> None:
        self._remove_at_last()
        if not self.txid and not self._has_looked:
            self._begin_from_a_snapshot()
        tried = set[bytes]()
        while (gone := self._gone(ask, deadline_s)) is not None:
            if gone.base in tried:
                raise StorageError(f"database {self.name!r}: {gone}; {NO_SNAPSHOT}") from gone
            tried.add(gone.base)
            self.begin_anew()
            self._remove_at_last()
            self._begin_from_a_snapshot(gone.base)

    def _gone(self, ask: Ask, deadline_s: float) -> Gone | None:
        """Apply what is new. Return why the copy has to begin anew, None if it has not."""
        try:
            self.apply(ask(self.log), deadline_s)
        except Gone as gone:
            return gone
        return None if self._bookmark.is_clean else Gone("the copy is torn")

    def _begin_from_a_snapshot(self, base: bytes = b"") -> None:
        """Fill an empty copy from the newest snapshot and the files behind it, if there is one."""
        self._has_looked = True
        start = self.archive.start_of(base)
        if start is None:
            return
        self._bookmark.begin(start.last)
        self.file.open_on(start.snapshot)
        for file in start.tail:
            self.file.apply(file)
        self.is_there = self.file.has_pages
        self.replacements += 1
        self._bookmark.commit(Place(epoch=0, offset=0, txid=start.last))
        self.reread()

    def _put(self, record: Record) -> None:
        header, pages = decode(record.content)
        if header.first not in {1, self.txid + 1} or header.last != record.txid:
            raise Damaged(f"record {record.txid} holds {header.first} to {header.last}")
        self.file.write(header, pages.items())
        self.is_there = True
        if header.is_snapshot:
            self.replacements += 1
            self._have_opened_again()  # its first page may look like the one before
        self._bookmark.reach(record.end)

    def _have_opened_again(self) -> None:
        """Have whoever is connected open the copy again. Else it is what is opened next."""
        self.generation += self._connections > 0

    def _remove(self) -> None:
        self.file.remove()
        self._bookmark.reset()
        self._is_to_go = self.is_there = False

    def _remove_at_last(self) -> None:
        if self._is_to_go:
            self._remove()
            self.reread()
