"""Every error of apsw is translated, or named as one that no request can cause."""

import apsw
import pytest

from sqlatch.errors import SqlatchError
from sqlatch.kernel.errors import (
    Constraint,
    DatabaseBusy,
    DatabaseCorrupt,
    ForbiddenStatement,
    StorageError,
)
from storage.translate import (
    BUGS,
    DatabaseReplaced,
    NeedsMemory,
    RecoveryNeeded,
    UnknownName,
    WriteRefused,
    in_our_words,
)

ERRORS = [
    each
    for each in vars(apsw).values()
    if isinstance(each, type) and issubclass(each, apsw.Error) and each is not apsw.Error
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_an_error_of_apsw_is_translated_or_named_a_bug(error: type[apsw.Error]) -> None:
    raised = error("why")
    translated = in_our_words(raised, "main")

    if error in BUGS:
        assert translated is raised
    else:
        assert isinstance(
            translated, SqlatchError | RecoveryNeeded | DatabaseReplaced | WriteRefused
        )


UNKNOWN = {
    "SELECT * FROM nowhere": ("table", "nowhere", ""),
    "SELECT * FROM main.nowhere": ("table", "nowhere", ""),
    "SELECT absent FROM t": ("column", "absent", ""),
    "SELECT t.absent FROM t": ("column", "t.absent", ""),
    "INSERT INTO t (absent) VALUES (1)": ("column", "absent", "t"),
    "SELECT absent(n) FROM t": ("function", "absent", ""),
}


@pytest.mark.parametrize("sql", UNKNOWN)
def test_the_error_of_an_unknown_name_says_which_one_it_is(sql: str) -> None:
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE t (n)")

    with pytest.raises(apsw.SQLError) as raised:
        connection.execute(sql)
    translated = in_our_words(raised.value, "main")

    assert isinstance(translated, UnknownName)
    assert (translated.kind, translated.name, translated.table) == UNKNOWN[sql]


def test_an_error_of_another_kind_names_nothing_unknown() -> None:
    with pytest.raises(apsw.SQLError) as raised:
        apsw.Connection(":memory:").execute("SELEC 1")

    assert not isinstance(in_our_words(raised.value, "main"), UnknownName)


EXTENDED: list[tuple[type[apsw.Error], int, type[Exception]]] = [
    (apsw.ReadOnlyError, apsw.SQLITE_READONLY, WriteRefused),
    (apsw.ReadOnlyError, apsw.SQLITE_READONLY_ROLLBACK, RecoveryNeeded),
    (apsw.ReadOnlyError, apsw.SQLITE_READONLY_RECOVERY, RecoveryNeeded),
    (apsw.ReadOnlyError, apsw.SQLITE_READONLY_CANTINIT, RecoveryNeeded),
    (apsw.ReadOnlyError, apsw.SQLITE_READONLY_CANTLOCK, RecoveryNeeded),
    (apsw.ReadOnlyError, apsw.SQLITE_READONLY_DBMOVED, DatabaseReplaced),
    (apsw.ReadOnlyError, apsw.SQLITE_READONLY_DIRECTORY, StorageError),
    (apsw.IOError, apsw.SQLITE_IOERR_FSTAT, DatabaseReplaced),
    (apsw.IOError, apsw.SQLITE_IOERR_READ, StorageError),
    (apsw.ConstraintError, apsw.SQLITE_CONSTRAINT_UNIQUE, Constraint),
    (apsw.BusyError, apsw.SQLITE_BUSY_RECOVERY, DatabaseBusy),
    (apsw.CorruptError, apsw.SQLITE_CORRUPT_INDEX, DatabaseCorrupt),
]


@pytest.mark.parametrize(("kind", "code", "error"), EXTENDED)
def test_the_extended_code_says_what_is_to_be_done(
    kind: type[apsw.Error], code: int, error: type[Exception]
) -> None:
    raised = kind("why")
    vars(raised)["extendedresult"] = code

    translated = in_our_words(raised, "main")

    assert type(translated) is error
    if isinstance(translated, SqlatchError):
        assert translated.facts["sqlite_code"] == apsw.mapping_extended_result_codes[code]


def test_what_the_policy_said_is_told_whatever_sqlite_calls_it() -> None:
    for error in (apsw.AuthError("not authorized"), apsw.SQLError("prohibited")):
        translated = in_our_words(error, "main", refusal="ATTACH")

        assert isinstance(translated, ForbiddenStatement)
        assert translated.message == "not allowed here: ATTACH"


@pytest.mark.parametrize("error", [MemoryError(), apsw.NoMemError("out of memory")])
def test_what_has_run_short_of_memory_may_be_tried_again(error: Exception) -> None:
    assert isinstance(in_our_words(error, "main"), NeedsMemory)
