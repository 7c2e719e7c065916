"""pandas on the dialect and on plain DB-API, and each time on stock SQLite beside it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.conftest import ROOT, Run
from tests.pages import blocks

pytestmark = pytest.mark.clients

FRAMES = (ROOT / "tests" / "clients" / "frames.py").read_text()

Printed = Callable[[str], str]


@pytest.fixture
def ours(run: Run, server: dict[str, str]) -> Printed:
    """Return what a function of `frames.py` prints when it runs on the service."""
    host = server["SQLATCH_URL"].removeprefix("http://").removesuffix("/main/")
    server["DATABASE_URL"] = f"sqlatch+http://any:{server['SQLATCH_TOKEN']}@{host}/main"
    return lambda name: run("python", f"{FRAMES}\n\n{name}()\n")


@pytest.fixture
def both(ours: Printed, run: Run, server: dict[str, str], tmp_path: Path) -> Printed:
    """The same, after the same was run on stock SQLite and has printed no other thing."""

    def both(name: str) -> str:
        printed = ours(name)
        server["DATABASE_URL"] = f"sqlite:///{tmp_path}/stock.sqlite"
        assert run("python", f"{FRAMES}\n\n{name}()\n") == printed
        return printed

    return both


def requests(tmp_path: Path) -> int:
    """Return the number of requests that the server has answered: it logs each on a line."""
    return len((tmp_path / "log").read_text().splitlines())


def test_each_type_comes_back_as_it_went_and_so_does_what_is_missing(both: Printed) -> None:
    assert both("a_table_comes_back_as_it_went") == (
        "id:int64 seen:float64 weight_g:float64 name:str sings:object"
        " ringed_at:datetime64[us] hatched:datetime64[s] feather:object\n"
    )


def test_a_query_gives_what_sqlite_has(both: Printed) -> None:
    assert both("a_query_gives_what_sqlite_has").startswith(
        "{'id': [1, 2], 'seen': [7.0, nan], 'weight_g': [0.1, nan], 'name': ['né😀', nan],"
    )


def test_a_plain_connection_is_read_from(ours: Printed) -> None:
    assert ours("the_plain_connection_reads") == (
        "{'name': ['né😀', nan], 'weight_g': [0.1, nan]} [2, 1]\nwarned\n"
    )


def test_ten_thousand_rows_are_written_in_six_requests(ours: Printed, tmp_path: Path) -> None:
    assert ours("many_rows_are_written") == "10000\n"
    written = requests(tmp_path)
    assert ours("many_rows_are_read_in_chunks") == "[4000, 4000, 2000] True\n"

    # SQLAlchemy's two questions about the server, whether the table is there, its making, the rows
    # in one statement, the commit.
    assert written == 6
    assert requests(tmp_path) - written == 4


def test_more_rows_than_a_reply_holds_are_read_by_pages(both: Printed) -> None:
    assert both("more_rows_than_a_reply_holds_are_read") == ("[40, 40, 10] True\n409500000\n")


def test_the_chunks_of_a_transaction_are_written_together_or_not_at_all(both: Printed) -> None:
    name = "chunks_of_one_transaction_are_written_together_or_not_at_all"

    assert both(name) == "IntegrityError\n[0]\nIntegrityError\n[100]\n"


def test_a_table_is_kept_appended_to_and_replaced(both: Printed) -> None:
    assert both("a_table_is_kept_appended_to_and_replaced") == (
        "Table 't' already exists.\nappend [1, 2, 1, 2]\nreplace [1, 2]\ndelete_rows [1, 2]\n"
    )


def test_an_infinity_is_refused(ours: Printed) -> None:
    assert ours("an_infinity_is_written") == "DataError\n"


@pytest.mark.usefixtures("ours")
def test_the_example_of_the_page_writes_a_frame(run: Run) -> None:
    text = (ROOT / "docs" / "sqlalchemy.md").read_text().partition("## pandas")[2]
    frame = "frame = birds()[['id', 'name']]"
    count = "print(pandas.read_sql('SELECT count(*) AS n FROM trees', engine))"

    printed = run("python", "\n".join([FRAMES, frame, blocks(text, "python")[0], count]))

    assert printed.split() == ["n", "0", "3"]
