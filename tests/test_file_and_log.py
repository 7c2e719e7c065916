"""The page on moving between files and logs: its commands are run as they stand."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sqlatch.client import connect
from sqlatch.tokens import new_key, sign
from tests.cloudformation import ROOT
from tests.command.conftest import serving
from tests.pages import Run, blocks, free_ports, shell, steps

PAGE = (ROOT / "docs" / "file-and-log.md").read_text()
STEPS = steps(PAGE)
SCHEMA = [
    "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT)",
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer REFERENCES customers, ordered TEXT)",
    "INSERT INTO customers VALUES (1, 'Ada'), (2, 'Bob')",
    "INSERT INTO orders VALUES (1, 2, 'tea'), (2, 1, 'salt')",
]
ORDERED = "SELECT name, ordered FROM orders JOIN customers ON customers.id = customer ORDER BY 2"


@dataclass(frozen=True)
class Here:
    """A directory with a service of files, and the page's commands; the second is to be started."""

    first: str
    second: str
    run: Run

    def runs(self, step: str) -> str:
        """Run the commands of a step; what they print."""
        return self.run("\n".join(blocks(STEPS[step], "sh")))


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Here]:
    private, public = new_key()
    token = sign(private, access="rw", databases="*", lifetime_s=3_600)
    (tmp_path / "databases").mkdir()
    with (
        serving(tmp_path / "databases", SQLATCH_TOKEN_KEYS=public) as first,
        free_ports(1) as (port,),
        shell(
            tmp_path, {"8000": first.rpartition(":")[2], "8001": port},
            SQLATCH_TOKEN_KEYS=public, SQLATCH_TOKEN=token, SQLATCH_COPIES=str(tmp_path),
        ) as run,
    ):  # fmt: skip
        with connect(f"{first}/orders") as client:
            client.batch(SCHEMA)
        yield Here(first, f"http://127.0.0.1:{port}", run)


def test_the_commands_of_the_page_move_a_database_to_a_log_and_back(here: Here) -> None:
    here.runs("1")
    here.run(f"curl --retry 50 --retry-connrefused --retry-delay 1 {here.second}/health")
    same = "2 tables, 4 rows: schema and rows are the same in both\n"

    assert here.runs("2").endswith(same)
    with connect(f"{here.first}/orders") as first, connect(f"{here.second}/orders") as second:
        first.execute("UPDATE orders SET ordered = 'milk' WHERE id = 1")
        assert here.runs("3").count(same) == 2
        assert second.query(ORDERED).rows == [("Bob", "milk"), ("Ada", "salt")]
        second.execute("DELETE FROM orders WHERE id = 2")
    here.runs("4")
    with connect(f"{here.first}/orders-again") as again:
        assert again.query(ORDERED).rows == [("Bob", "milk")]
