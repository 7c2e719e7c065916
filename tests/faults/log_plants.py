"""Bugs to plant in the engine of a log, each of which breaks one of its rules."""

from typing import Any

import pytest

from storage.connection import Session
from storage.log import removal
from storage.log.bookmark import Bookmark
from storage.log.capture import Capture, Changes, Size
from storage.log.following import Following
from storage.log.log import Place, Record
from storage.log.past import Pasts
from storage.log.replica import Replica
from storage.log.segment import SEALED_BYTES, Header, Segment
from storage.log.store import Store

Patch = pytest.MonkeyPatch


def a_sync_after_a_rollback_ships(patch: Patch) -> None:
    """An error of the local disk in a COMMIT does not refuse it: SQLite rolls back, then syncs."""
    patch.setattr(Capture, "fail", lambda _self, _error: None)


def wal_on_the_copy(patch: Patch) -> None:
    """No sync of the database file comes with a COMMIT then."""
    run = Session.run

    def running(self: Session, sql: str, *values: Any) -> Any:
        if sql == "PRAGMA journal_mode = PERSIST":
            run(self, "PRAGMA journal_mode = WAL")
            return [("persist",)]
        return run(self, sql, *values)

    patch.setattr(Session, "run", running)


def missing_zero_pages(patch: Patch) -> None:
    """Pages that are new and free again are not in the record: SQLite has not written them."""
    changes = Capture._changes

    def without_them(self: Capture) -> Changes:
        self._before = Size(self._before.page_size, 1 << 30)
        return changes(self)

    patch.setattr(Capture, "_changes", without_them)


def a_torn_copy_is_opened_before_it_is_applied(patch: Patch) -> None:
    opened = Bookmark.__init__

    def opening(self: Bookmark, *arguments: Any) -> None:
        opened(self, *arguments)
        if self.is_known and not self.is_clean:
            self.is_clean = True
            self.place = Place(0, 0, self.target)

    patch.setattr(Bookmark, "__init__", opening)


def a_half_done_seal_is_not_helped(patch: Patch) -> None:
    """A segment that is marked, and has no successor, is taken for one with nothing new."""
    read_segment = Following._read_segment

    def reading(self: Following, *arguments: Any) -> Segment | None:
        is_marked = self.opened.length_bytes() >= SEALED_BYTES
        if is_marked and self._chain.open_successor(self.opened) is None:
            return None
        return read_segment(self, *arguments)

    patch.setattr(Following, "_read_segment", reading)


def a_record_beyond_the_seal_is_read(patch: Patch) -> None:
    def records(self: Segment, place: Place, _successor: Header) -> tuple[list[Record], bytes]:
        return self.new_records(place) or [], b""

    patch.setattr(Segment, "settled_records", records)


def the_reaper_only_clears_the_lease(patch: Patch) -> None:
    """Nobody seals: who held it may still append."""
    patch.setattr(Store, "recover", lambda _self, _grant: False)


def reads_do_not_ask_the_log(patch: Patch) -> None:
    patch.setattr(Replica, "is_within", lambda self, _age_s: self.txid > 0)


def what_is_brought_back_replaces_what_is_there(patch: Patch) -> None:
    """Whoever brings a database back does not look whether there is one of that name."""
    brought_back = removal.brought_back

    def bringing(replica: Replica, kept: str, deadline_s: float, **options: Any) -> Any:
        replica.is_there = False
        return brought_back(replica, kept, deadline_s, **options)

    patch.setattr(removal, "brought_back", bringing)


def a_replacement_is_no_new_generation(patch: Patch) -> None:
    """Connections that are open on the copy stay so: SQLite may know what it has cached again."""
    begin_anew = Replica.begin_anew

    def beginning(self: Replica) -> None:
        generation = self.generation
        begin_anew(self)
        self.generation = generation

    patch.setattr(Replica, "begin_anew", beginning)


def a_moment_is_the_next_one(patch: Patch) -> None:
    """A copy of the past follows the log by one commit too many."""
    made = Pasts._replica_at
    patch.setattr(Pasts, "_replica_at", lambda self, position: made(self, position + 1))
