"""Typical mistakes at the command line: each message says what is wrong, and the next step."""

from pathlib import Path

import pytest

from sqlatch.client import connect
from sqlatch.command.exits import Exit
from sqlatch.command.main import run
from tests.command.conftest import Sqlatch

NOBODY = "http://127.0.0.1:9"

MISTAKES = [
    (["query", "-u", "127.0.0.1:8000/main", "SELECT 1"], Exit.USAGE, "the URL has no scheme"),
    (["query", "-u", NOBODY, "SELECT 1"], Exit.USAGE, "put /main behind it"),
    (["query", "-u", f"{NOBODY}/main", "--timeout", "1", "SELECT 1"], Exit.TRY_AGAIN,
     f"no connection to {NOBODY}: Failed to establish a new connection: [Errno 111] Connection"
     " refused; check host and port, and start the service"),
    (["query", "SELECT * FROM airline"], Exit.REFUSED, "did you mean airlines?"),
    (["query", "SELECT carier FROM airlines"], Exit.REFUSED, "did you mean carrier?"),
    (["load", "--table", "airline", "rows.csv"], Exit.REFUSED, "did you mean airlines?"),
    (["load", "--create", "picture.csv"], Exit.BAD_DATA, "--encoding says another"),
    (["load", "--create", "empty.csv"], Exit.BAD_DATA, "names of the columns is missing"),
    (["load", "rows.csv"], Exit.REFUSED, "--create makes it"),
    (["export", "airline"], Exit.REFUSED, "no table 'airline'; did you mean airlines?"),
    (["export", "airlines", "-o", "none/rows.csv"], Exit.NOT_SHOWN,
     "none/rows.csv could not be written: No such file or directory"),
    (["load", "--create", "kept.csv"], Exit.BAD_DATA,
     "kept.csv, or the journal beside it: Is a directory; mend that, and run the same command"),
    (["dump", "--table", "airline"], Exit.USAGE, "did you mean airlines?"),
    (["token", "sign", "--private", "none.key"], Exit.USAGE, "`sqlatch token key` makes a key"),
]  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("picture.csv").write_bytes(b"\x89PNG\r\n\x1a\n")
    Path("empty.csv").touch()
    Path("kept.csv").write_text("n\n1\n")
    Path("kept.csv.sqlatch-load.tmp").mkdir()
    Path("rows.csv").write_text("carrier\nUA\n")
    with connect(url) as client:
        client.execute("CREATE TABLE airlines (carrier TEXT)")


@pytest.mark.usefixtures("here")
def test_each_message_says_the_next_step(sqlatch: Sqlatch) -> None:
    for arguments, code, says in MISTAKES:
        ended = sqlatch(*arguments)

        assert (ended.code, says in ended.err) == (code, True), (arguments, ended)


def test_a_file_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))

    code = run(["use", "local", "--url", f"{NOBODY}/main"])

    assert code == Exit.NOT_SHOWN
    assert f"{tmp_path}/file" in capsys.readouterr().err
