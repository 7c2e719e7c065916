"""Errors of the contract as clients of libSQL read them."""

import pytest

from hrana.refusals import CODES, StatementRefused, refusal_of
from sqlatch.kernel import errors
from sqlatch.kernel.errors import (
    Constraint,
    LeaseBusy,
    ResultTooLarge,
    SqlatchError,
    StatementError,
    StorageError,
)

SENT: list[tuple[SqlatchError, str, bool]] = [
    (StatementError("no", sqlite_code="SQLITE_ERROR"), "SQLITE_ERROR", True),
    (Constraint("no", sqlite_code="SQLITE_CONSTRAINT_UNIQUE"), "SQLITE_CONSTRAINT", True),
    (StorageError("no", sqlite_code="SQLITE_IOERR_READ"), "SQLITE_IOERR", False),
    (StorageError("no"), "SQLITE_IOERR", False),
    (LeaseBusy("no"), "SQLITE_BUSY", False),
    (ResultTooLarge("no"), "RESPONSE_TOO_LARGE", False),
]


@pytest.mark.parametrize(("error", "code", "recurs"), SENT)
def test_an_error_has_the_code_that_clients_know(
    error: SqlatchError, code: str, *, recurs: bool
) -> None:
    refusal = refusal_of(error)

    assert refusal.body() == {"message": "no", "code": code}
    assert refusal.recurs is recurs
    assert refusal.error is error


def test_every_code_that_is_translated_is_one_of_the_contract() -> None:
    classes = [one for one in vars(errors).values() if isinstance(one, type)]
    codes = {one.code for one in classes if issubclass(one, SqlatchError) and hasattr(one, "code")}

    assert set(CODES) <= codes


def test_a_refusal_is_known_again_without_its_hint() -> None:
    hinted = StatementRefused("no such table: a; did you mean b?", "X", hint="; did you mean b?")

    assert hinted.known_by() == {"message": "no such table: a", "code": "X"}
    assert hinted.body()["message"].endswith("did you mean b?")
