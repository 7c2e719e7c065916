"""`sqlatch load`: the key and the types of the table, and rows whose key is there."""

from pathlib import Path
from typing import Any

import pytest

from sqlatch.client import Client
from tests.command.conftest import Sqlatch


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "t.csv"
    file.write_text("id,name\n1,A\n3,C\n")
    return file


@pytest.fixture
def table(client: Client) -> None:
    client.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name, kept DEFAULT 'new')")
    client.execute("INSERT INTO t VALUES (1, 'a', 'old'), (2, 'b', 'old')")


def rows(client: Client) -> list[Any]:
    return client.query("SELECT * FROM t ORDER BY 1").rows


PRESENT: dict[str, tuple[str, list[Any]]] = {
    "--upsert": ("2 rows loaded\n", [(1, "A", "old"), (2, "b", "old"), (3, "C", "new")]),
    "--replace": ("2 rows loaded\n", [(1, "A", "new"), (2, "b", "old"), (3, "C", "new")]),
    "--ignore": (
        "1 rows loaded, 1 passed over, since their keys are there\n",
        [(1, "a", "old"), (2, "b", "old"), (3, "C", "new")],
    ),
}


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("option", PRESENT)
def test_rows_whose_key_is_there(sqlatch: Sqlatch, client: Client, file: Path, option: str) -> None:
    out, expected = PRESENT[option]

    ended = sqlatch("load", option, str(file))

    assert (ended.code, ended.out) == (0, out)
    assert rows(client) == expected


@pytest.mark.usefixtures("table")
def test_without_an_option_they_are_refused_and_the_options_named(
    sqlatch: Sqlatch, client: Client, file: Path
) -> None:
    ended = sqlatch("load", str(file))

    assert ended.code == 3
    assert "line 2: CONSTRAINT: UNIQUE constraint failed: t.id" in ended.err
    assert "--upsert, --ignore and --replace load such a file" in ended.err
    assert len(rows(client)) == 2


def test_to_ignore_is_about_keys_and_nothing_else(
    sqlatch: Sqlatch, client: Client, file: Path
) -> None:
    """INSERT OR IGNORE would pass over the row without a value."""
    client.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
    file.write_text("id,name\n1,a\n2,\n")

    ended = sqlatch("load", "--ignore", str(file))

    assert ended.code == 3
    assert "line 3: CONSTRAINT: NOT NULL constraint failed: t.name" in ended.err
    assert rows(client) == []


def test_an_upsert_by_columns_of_a_unique_index(
    sqlatch: Sqlatch, client: Client, file: Path
) -> None:
    client.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, id INTEGER UNIQUE, name)")
    client.execute("INSERT INTO t VALUES (10, 1, 'a')")

    assert sqlatch("load", "--upsert", "--pk", "ID", str(file)).code == 0
    assert rows(client) == [(10, 1, "A"), (11, 3, "C")]


def test_an_upsert_of_nothing_but_the_key(sqlatch: Sqlatch, client: Client, file: Path) -> None:
    client.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    file.write_text("id\n1\n1\n2\n")

    assert sqlatch("load", "--upsert", str(file)).code == 0
    assert rows(client) == [(1,), (2,)]


MADE = {
    "a key": (["--pk", "id"], '"id" INTEGER PRIMARY KEY, "name" TEXT'),
    "two columns": (
        ["--pk", "name", "--pk", "id"],
        '"id" INTEGER, "name" TEXT, PRIMARY KEY ("name", "id")',
    ),
    "types": (["--types", "id=text, NAME = blob"], '"id" TEXT, "name" BLOB'),
    "to be changed again": (["--upsert", "--pk", "id"], '"id" INTEGER PRIMARY KEY, "name" TEXT'),
}


@pytest.mark.parametrize("name", MADE)
def test_the_table_that_is_made(sqlatch: Sqlatch, client: Client, file: Path, name: str) -> None:
    arguments, columns = MADE[name]
    file.write_text("id,name\n1,QUFB\n")

    assert sqlatch("load", "--create", *arguments, str(file)).code == 0
    made = client.query("SELECT sql FROM sqlite_schema WHERE name = 't'").value()
    assert made == f'CREATE TABLE "t" ({columns})'
    assert rows(client)[0][1] == (b"AAA" if "BLOB" in columns else "QUFB")


REFUSED: dict[str, tuple[list[str], int, str]] = {
    "two at once": (["--upsert", "--ignore"], 2, "give one of --upsert and --ignore"),
    "no such column": (["--create", "--pk", "nam"], 2, "no column 'nam'; did you mean name?"),
    "no such type": (["--create", "--types", "id=FOO"], 2, "'id=FOO' is not COLUMN=TYPE"),
    "no such column of a type": (["--create", "--types", "x=TEXT"], 2, "no column 'x'"),
    "an upsert without a key": (["--create", "--upsert"], 2, "--pk COLUMN says which"),
    "a row without its key": (["--create", "--pk", "name"], 7, "line 3: column 'name' is of the"),
    "no base64": (["--create", "--types", "name=BLOB"], 7, "line 2: column 'name': 'A' is not"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_before_anything_is_made(
    sqlatch: Sqlatch, client: Client, file: Path, name: str
) -> None:
    arguments, code, said = REFUSED[name]
    file.write_text("id,name\n1,A\n2,\n")
    client.execute("CREATE TABLE other (n)")

    ended = sqlatch("load", *arguments, str(file))

    assert (ended.code, ended.out) == (code, "")
    assert said in " ".join(ended.err.split())
    assert client.query("SELECT * FROM sqlite_schema WHERE name = 't'").rows == []


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--pk", "name"], "its primary key is not as --pk says: id"),
        (["--create", "--types", "id=TEXT"], "table 't' is there, and has types"),
        (["--table", "tt"], "there is no table 'tt'; --create makes it"),
        (["--table", "others"], "there is no table 'others'; did you mean other?; --create"),
    ],
)
def test_a_table_that_is_there_stays_as_it_is(
    sqlatch: Sqlatch, client: Client, file: Path, arguments: list[str], said: str
) -> None:
    client.execute("CREATE TABLE other (n)")

    ended = sqlatch("load", *arguments, str(file))

    assert ended.code == 3
    assert said in ended.err
    assert len(rows(client)) == 2
