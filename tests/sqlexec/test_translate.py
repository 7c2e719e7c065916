"""Every error of apsw is translated, or named as one that no request can cause."""

import apsw
import pytest

from sqlatch.kernel.errors import SqlatchError
from sqlexec.translate import BUGS, Moved, RecoveryNeeded, Writes, in_our_words

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
        assert isinstance(translated, SqlatchError | RecoveryNeeded | Moved | Writes)
