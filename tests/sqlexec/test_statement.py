"""The words of execution that do something."""

from sqlexec.statement import GrantNeeded, Kind


def test_a_statement_that_writes_says_of_which_kind_it_is() -> None:
    assert GrantNeeded("VACUUM", Kind.VACUUM).kind is Kind.VACUUM
    assert GrantNeeded("attempt to write a readonly database").kind is Kind.WRITE
