"""The words of execution that do something."""

from sqlexec.statement import Kind, Writes


def test_a_statement_that_writes_says_of_which_kind_it_is() -> None:
    assert Writes("VACUUM", Kind.VACUUM).kind is Kind.VACUUM
    assert Writes("attempt to write a readonly database").kind is Kind.WRITE
