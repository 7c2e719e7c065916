"""A commit is in the log or it is not, and the caller is told which."""

import time
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from benchmarks.vfs import counting
from sqlatch.kernel.errors import LeaseLost, StorageError
from storage.engine import NEWEST, Freshness, Grant
from storage.log.capture import Capture
from storage.log.directory import DirectoryLog
from storage.log.engine import InLog
from storage.log.log import InDoubt
from storage.log.replica import Replica
from storage.log.store import Store
from tests.storage.log.logs import OURS, fences

COUNT = "SELECT count(*) FROM t"


class Right:
    """A grant, and whether it is left in doubt."""

    def __init__(self) -> None:
        self.is_in_doubt = False
        self.grant = Grant(
            time.time() + 60,
            next(fences),
            lambda: None,
            lambda: setattr(self, "is_in_doubt", True),
            lambda: setattr(self, "is_in_doubt", False),
        )


def write(store: Store, *texts: str, right: Right | None = None) -> None:
    with store.write((right or Right()).grant, creates=True) as transaction:
        for sql in texts:
            transaction.connection.run(sql)
        transaction.commit()


def count(store: Store, freshness: Freshness = NEWEST, *, within_s: float = 60) -> Any:
    ((number,),) = store.snapshot(time.time() + within_s, freshness).run(COUNT)
    return number


INSERT = "INSERT INTO t VALUES (1)"


def test_each_commit_is_one_record_and_a_position(store: Store, other: Store) -> None:
    before = store.position
    write(store, INSERT, INSERT, INSERT)

    assert count(other) == 3
    assert other.position == store.position == (before or 0) + 1


def test_a_warm_read_of_nothing_new_applies_nothing(
    store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    count(other)
    monkeypatch.setattr(Replica, "_put", None)

    assert count(other) == count(store) == 0


def test_a_warm_read_finds_an_empty_journal_and_does_not_open_it(
    logs: Path, tmp_path: Path
) -> None:
    engine = InLog(logs, tmp_path / "copies")
    with counting() as counted, closing(engine.open("main", table=OURS, now=time.time)) as store:
        write(store, "CREATE TABLE t (n)", INSERT)
        write(store, INSERT)
        count(store)
        counted.clear()

        assert count(store) == 2
        assert (counted["xOpen"], counted["xRead"]) == (0, 1), "the change counter"


def test_a_commit_whose_append_was_in_doubt_and_is_there_is_a_success(
    store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = DirectoryLog.append

    def answer_lost(self: DirectoryLog, commit_id: bytes, content: bytes) -> None:
        place = self._at.place
        append(self, commit_id, content)
        self._at.place = place
        raise InDoubt("no answer")

    right = Right()
    with monkeypatch.context() as patch:
        patch.setattr(DirectoryLog, "append", answer_lost)
        write(store, INSERT, right=right)

    assert count(store) == count(other) == 1
    assert not right.is_in_doubt
    write(store, INSERT)
    assert count(other) == 2


def test_a_commit_whose_append_was_in_doubt_and_is_not_there_is_refused(
    store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(_self: DirectoryLog, _commit_id: bytes, _content: bytes) -> None:
        raise InDoubt("no answer")

    right = Right()
    with monkeypatch.context() as patch:
        patch.setattr(DirectoryLog, "append", lost)
        with pytest.raises(LeaseLost, match="nothing was written"):
            write(store, INSERT, right=right)

    assert count(store) == count(other) == 0
    assert not right.is_in_doubt
    write(store, INSERT)
    assert count(other) == 1


def test_the_right_stays_in_doubt_where_the_question_fails_too(
    store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_answer(*_arguments: object) -> None:
        raise InDoubt("no answer")

    def no_answer_either(*_arguments: object) -> None:
        raise StorageError("the directory is gone")

    right = Right()
    with monkeypatch.context() as patch:
        patch.setattr(DirectoryLog, "append", no_answer)
        patch.setattr(DirectoryLog, "outcome", no_answer_either)
        with pytest.raises(StorageError) as refusal:
            write(store, INSERT, right=right)

    assert refusal.value.facts["outcome"] == "unknown"
    assert right.is_in_doubt
    other.recover(Right().grant)
    assert count(other) == count(store) == 0


def test_a_holder_before_is_refused_once_a_later_one_has_written(
    store: Store, other: Store
) -> None:
    late, right = Right(), Right()
    other.recover(right.grant)
    write(other, INSERT, right=right)

    with pytest.raises(LeaseLost):
        write(store, INSERT, right=late)
    assert count(store) == 1


def test_what_the_log_has_taken_is_committed_though_the_copy_fails_then(
    store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_header = Capture.sync

    def then_fail(self: Capture) -> None:
        was_shipped = self.has_shipped
        write_header(self)
        if self.has_shipped and not was_shipped:
            raise apsw.IOError("the journal cannot be finished")

    with monkeypatch.context() as patch:
        patch.setattr(Capture, "sync", then_fail)
        write(store, INSERT)

    assert count(store) == count(other) == 1
    write(store, INSERT)
    assert count(other) == 2


def test_a_copy_that_cannot_be_written_is_told_and_made_anew(
    store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Capture) -> None:
        error = apsw.FullError("no space")
        self.fail(error)
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Capture, "sync", full)
        with pytest.raises(StorageError, match="nothing was written"):
            write(store, INSERT)

    assert count(store) == count(other) == 0
    write(store, INSERT)
    assert count(other) == 1


@pytest.mark.parametrize("is_there", [True, False], ids=["there", "not there"])
def test_a_replacement_that_was_in_doubt_is_told_which(
    store: Store, other: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_there: bool
) -> None:
    with closing(apsw.Connection(str(tmp_path / "copy.db"))) as connection:
        connection.execute("CREATE TABLE t AS SELECT value AS n FROM json_each('[1, 2]')")
    replace = DirectoryLog.replace

    def in_doubt(self: DirectoryLog, base: bytes) -> None:
        if is_there:
            replace(self, base)
        raise InDoubt("no answer")

    right = Right()
    with monkeypatch.context() as patch:
        patch.setattr(DirectoryLog, "replace", in_doubt)
        if is_there:
            store.replace(tmp_path / "copy.db", right.grant)
        else:
            with pytest.raises(LeaseLost):
                store.replace(tmp_path / "copy.db", right.grant)

    assert count(store) == count(other) == (2 if is_there else 0)
    assert not right.is_in_doubt


def test_an_append_that_fails_in_no_known_way_is_in_doubt(
    store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = DirectoryLog.append

    def without_memory(self: DirectoryLog, commit_id: bytes, content: bytes) -> None:
        place = self._at.place
        append(self, commit_id, content)
        self._at.place = place
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(DirectoryLog, "append", without_memory)
        write(store, INSERT)

    assert count(store) == count(other) == 1


def _interrupted(when: str) -> Any:
    append, advance = DirectoryLog.append, Replica.advance

    def appending(self: DirectoryLog, commit_id: bytes, content: bytes) -> None:
        if when != "before the append":
            append(self, commit_id, content)
        raise KeyboardInterrupt

    def advancing(self: Replica) -> None:
        if when == "behind the advance":
            advance(self)
        raise KeyboardInterrupt

    if "advance" in when:
        return (Replica, "advance", advancing)
    return (DirectoryLog, "append", appending)


@pytest.mark.parametrize(
    "when", ["before the append", "behind the append", "before the advance", "behind the advance"]
)
@pytest.mark.parametrize("sql", [INSERT, "VACUUM"])
def test_who_is_interrupted_in_a_commit_goes_on_with_what_the_log_has(
    store: Store, other: Store, monkeypatch: pytest.MonkeyPatch, when: str, sql: str
) -> None:
    def run(right: Right) -> None:
        if sql == "VACUUM":
            store.vacuum(sql, right.grant)
        else:
            write(store, sql, right=right)

    write(store, INSERT)
    right = Right()
    with monkeypatch.context() as patch:
        patch.setattr(*_interrupted(when))
        with pytest.raises(KeyboardInterrupt):
            run(right)

    expected = 1 + (sql == INSERT and when != "before the append")
    assert count(store) == count(other) == expected
    assert not right.is_in_doubt
    write(store, INSERT)
    assert count(store) == count(other) == expected + 1
    assert store.position == other.position


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, MemoryError])
def test_who_is_interrupted_before_records_are_applied_applies_them_then(
    store: Store,
    other: Store,
    monkeypatch: pytest.MonkeyPatch,
    interruption: type[BaseException],
) -> None:
    def interrupted(*_arguments: Any) -> None:
        raise interruption

    assert count(other) == 0
    write(store, INSERT)
    with monkeypatch.context() as patch:
        patch.setattr(Replica, "apply", interrupted)
        with pytest.raises(interruption):
            count(other)

    assert count(other) == 1
