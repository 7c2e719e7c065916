"""The turn of databases at the reaper, remembered in a file or in an item."""

from pathlib import Path
from uuid import uuid4

import pytest

from handler.turn import FILE, Note, NoteInFile, NoteInTable, Turn
from hrana.table import Table
from sqlatch.kernel.aws.dynamodb import DynamoDB
from sqlatch.kernel.errors import StorageError
from tests.dynamodb_server import CREDENTIALS, create_log

NAMES = ["a", "b", "c", "d"]


@pytest.fixture
def table(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    for variable, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": moto_url}.items():
        monkeypatch.setenv(variable, value)
    name = f"turns-{uuid4()}"
    create_log(moto_url, name)
    return name


def note_in(table: str) -> Note:
    return NoteInTable(Table(table, DynamoDB().call, sleep=lambda _seconds: None))


@pytest.fixture(params=["file", "table"])
def note(request: pytest.FixtureRequest, tmp_path: Path) -> Note:
    if request.param == "file":
        return NoteInFile(tmp_path)
    return note_in(request.getfixturevalue("table"))


def test_the_first_run_begins_with_the_first_name(note: Note) -> None:
    assert Turn(note).order(NAMES) == NAMES


@pytest.mark.parametrize(
    ("served", "order"),
    [
        ("a", ["b", "c", "d", "a"]),
        ("c", ["d", "a", "b", "c"]),
        ("d", NAMES),
        ("bb", ["c", "d", "a", "b"]),
        ("zzz", NAMES),
    ],
)
def test_the_names_behind_the_one_served_last_come_first(
    note: Note, served: str, order: list[str]
) -> None:
    Turn(note).served("a")
    Turn(note).served(served)

    assert Turn(note).order(NAMES) == order, "a new process goes on"


def test_a_file_that_cannot_be_read_begins_anew(tmp_path: Path) -> None:
    turn = Turn(NoteInFile(tmp_path))
    (tmp_path / FILE).write_bytes(b"\xff" * 1_000)
    assert sorted(turn.order(NAMES)) == NAMES

    (tmp_path / FILE).unlink()
    (tmp_path / FILE).mkdir()
    assert turn.order(NAMES) == NAMES


def test_a_table_that_cannot_be_read_begins_anew(table: str) -> None:
    assert Turn(note_in(f"no-{table}")).order(NAMES) == NAMES


def test_a_file_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="the reaper's turn"):
        Turn(NoteInFile(tmp_path / "gone")).served("a")


def test_a_table_that_cannot_be_written_is_a_storage_error(table: str) -> None:
    with pytest.raises(StorageError, match=f"the table 'no-{table}': ResourceNotFound"):
        Turn(note_in(f"no-{table}")).served("a")


def test_no_database_has_the_first_turn_and_the_last() -> None:
    assert Turn(NoteInFile(Path("/nowhere"))).order([]) == []
