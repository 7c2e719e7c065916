"""Every error of apsw is translated, or named as one that no request can cause."""

import apsw
import pytest

from sqlatch.errors import SqlatchError
from storage.translate import (
    BUGS,
    DatabaseReplaced,
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
