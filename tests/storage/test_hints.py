"""The hint behind an error that names something unknown."""

import pytest

from sqlatch.kernel.errors import StatementError
from storage.connection import Session

HINTS = {
    "SELECT * FROM airline": "no such table: airline; did you mean airlines?",
    "SELECT nmae FROM airlines": "no such column: nmae (at offset 7); did you mean name?",
    "SELECT a.nmae FROM airlines AS a": "did you mean name?",
    "INSERT INTO airlines (nmae) VALUES (1)": "did you mean name?",
    "SELECT subst(1, 2)": "did you mean substr?",
    "SELECT * FROM sqlatch_own": "no such table: sqlatch_own",
    "SELECT * FROM nothing_like_it": "no such table: nothing_like_it",
    'SELECT nmae FROM "two words"': "no such column: nmae (at offset 7)",
}


@pytest.fixture(autouse=True)
def tables(session: Session) -> None:
    session.run("CREATE TABLE airlines (name, country)")
    session.run('CREATE TABLE "two words" (other)')
    session.run("CREATE TABLE sqlatch_owned (name)")


def refusal(session: Session, sql: str) -> StatementError:
    with pytest.raises(StatementError) as refused, session.user(sql) as cursor:
        cursor.execute(sql)
    return refused.value


@pytest.mark.parametrize("sql", HINTS)
def test_an_unknown_name_is_told_with_the_name_most_like_it(session: Session, sql: str) -> None:
    assert refusal(session, sql).message.endswith(HINTS[sql])


def test_a_name_of_the_service_is_never_the_hint(session: Session) -> None:
    assert "sqlatch_owned" not in refusal(session, "SELECT * FROM sqlatch_owne").message


def test_a_function_that_is_refused_is_never_the_hint(session: Session) -> None:
    assert "load_extension" not in refusal(session, "SELECT load_extensio('x')").message


def test_a_hint_that_cannot_be_found_leaves_the_error_as_it_is(session: Session) -> None:
    session.deadline_s = 0

    with pytest.raises(Exception, match="deadline"), session.user("SELECT x") as cursor:
        cursor.execute("SELECT x")
