"""The flights of the demo go in as Parquet, out as CSV and in again, and are the same rows."""

from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.csv
import pytest
from pyarrow import parquet

from examples.tables import open_records
from sqlatch.client import Client, connect
from sqlatch.kernel.values import Row
from tests.command.conftest import Sqlatch

MISSING = "NA"
TEN_DAYS, YEAR = 8_800, 336_776


def flights(path: Path, count: int) -> pyarrow.Table:
    """The first flights, as they lie in the package, with their types."""
    with open_records("flights") as records, path.open("w", encoding="utf-8") as file:
        file.writelines(",".join(record) + "\n" for record in islice(records, count + 1))
    options = pyarrow.csv.ConvertOptions(
        null_values=[MISSING], strings_can_be_null=True, column_types={"time_hour": "string"}
    )
    return pyarrow.csv.read_csv(path, convert_options=options)


@pytest.mark.parametrize("count", [TEN_DAYS, pytest.param(YEAR, marks=pytest.mark.slow)])
def test_flights_go_in_as_parquet_and_out_as_csv_and_in_again(
    count: int, sqlatch: Sqlatch, client: Client, tmp_path: Path
) -> None:
    table = flights(tmp_path / "some.csv", count)
    first, out = tmp_path / "flights.parquet", tmp_path / "again.csv"
    parquet.write_table(table, first)

    assert sqlatch("load", "--create", str(first)).out == f"{count} rows loaded\n"
    assert sqlatch("export", "flights", "-o", str(out)).code == 0
    assert sqlatch("load", "--create", str(out)).out == f"{count} rows loaded\n"

    columns: list[list[Any]] = [column.to_pylist() for column in table.columns]
    wanted = list(zip(*columns, strict=True))
    assert len(wanted) == count
    assert list(client.iterate("SELECT * FROM again ORDER BY rowid")) == wanted
    assert types_of(client, "flights") == types_of(client, "again")


def test_flights_are_dumped_and_restored(
    sqlatch: Sqlatch, client: Client, url: str, tmp_path: Path
) -> None:
    csv, dump = tmp_path / "flights.csv", tmp_path / "flights.sql"
    flights(csv, TEN_DAYS)
    assert sqlatch("load", "--create", str(csv)).code == 0
    dump.write_text(sqlatch("dump").out, encoding="utf-8")

    assert sqlatch("restore", "-u", f"{url}-again", str(dump)).code == 0

    everything = "SELECT * FROM flights ORDER BY rowid"
    with connect(f"{url}-again") as again:
        assert list(again.iterate(everything)) == list(client.iterate(everything))
        assert types_of(again, "flights") == types_of(client, "flights")


def types_of(client: Client, table: str) -> list[Row]:
    """The types that are declared, of all columns."""
    return client.query("SELECT name, type FROM pragma_table_info(?)", [table]).rows
