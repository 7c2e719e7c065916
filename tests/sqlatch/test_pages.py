"""Results past the limit of one reply, through the client and both transports."""

import pytest

from handler.service import service
from sqlatch.client import Client
from sqlatch.errors import DatabaseChanged, ReadOnly, ResultTooLarge
from sqlatch.kernel.values import Row
from tests.conftest import forget

pytestmark = pytest.mark.usefixtures("kind")

SQL = "SELECT n, 'text ' || n, n * 0.5, zeroblob(3) FROM t WHERE n > ? ORDER BY n"


@pytest.fixture
def rows(client: Client, monkeypatch: pytest.MonkeyPatch) -> list[Row]:
    """The rows of SQL: more than three replies hold."""
    monkeypatch.setenv("SQLATCH_ROWS_MAX", "100")
    forget(service)
    client.execute("CREATE TABLE t (n INTEGER PRIMARY KEY)")
    client.load("INSERT INTO t VALUES (?)", ([n] for n in range(350)))
    return [(n, f"text {n}", n * 0.5, bytes(3)) for n in range(11, 350)]


def test_all_rows_of_a_result_are_read_past_the_limit_of_one_reply(
    client: Client, rows: list[Row]
) -> None:
    with pytest.raises(ResultTooLarge, match="iterate"):
        client.query(SQL, [10])

    assert list(client.iterate(SQL, [10])) == rows
    pages = list(client.pages(SQL, [10], rows_max=60))
    assert [len(page) for page in pages] == [60] * 5 + [39]
    assert [row for page in pages for row in page] == rows
    assert {page.columns for page in pages} == {pages[0].columns}


def test_a_page_is_read_when_its_first_row_is_asked_for(client: Client, rows: list[Row]) -> None:
    found = client.iterate(SQL, [10])
    read = [next(found) for _ in range(100)]
    client.execute("INSERT INTO t VALUES (1000)")

    with pytest.raises(DatabaseChanged) as changed:
        next(found)

    assert read == rows[:100]
    assert changed.value.rows == 100
    with pytest.raises(StopIteration):
        next(found)


def test_a_session_asks_for_pages_of_what_it_has_written(client: Client, rows: list[Row]) -> None:
    with client.session() as session:
        session.execute("DELETE FROM t WHERE n > 200")

        assert list(session.iterate(SQL, [10])) == rows[:190]


def test_what_writes_has_no_pages(client: Client, rows: list[Row]) -> None:
    with pytest.raises(ReadOnly):
        next(client.iterate("DELETE FROM t RETURNING n"))
    assert list(client.iterate(SQL, [10])) == rows
