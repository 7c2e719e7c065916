"""`sqlatch export --litestream` and `sqlatch import`: refusals, and one way there and back."""

import sys
from pathlib import Path

import pytest

from sqlatch.client import connect
from sqlatch.command.exits import Exit
from sqlatch.command.main import run
from tests.command.conftest import Sqlatch, serving


def test_a_database_goes_out_and_back_in_while_it_is_served(
    sqlatch: Sqlatch, token: str, key: tuple[str, str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    logs = tmp_path / "logs"
    logs.mkdir()
    monkeypatch.setenv("SQLATCH_COPIES", str(tmp_path))
    monkeypatch.setenv("SQLATCH_LOG", f"directory:{logs}")
    variables = {"SQLATCH_TOKEN_KEYS": key[1], "SQLATCH_LEASES": f"sqlite:{tmp_path / 'leases'}"}
    monkeypatch.setenv("SQLATCH_LEASES", variables["SQLATCH_LEASES"])
    with serving(logs, **variables) as url:
        with connect(f"{url}/shop") as shop:
            shop.execute("CREATE TABLE t (n)")
            shop.execute("INSERT INTO t VALUES (7)")

        out = sqlatch("export", "--litestream", str(tmp_path / "replica"), "shop")
        back = sqlatch("import", str(tmp_path / "replica"), "again")

        assert out.out.startswith(f"shop up to position {2:016x} is in {tmp_path / 'replica'}")
        assert (
            back.out == f"again has the states of {tmp_path / 'replica'}, up to position {2:016x}\n"
        )
        with connect(f"{url}/again") as again:
            assert again.query("SELECT n FROM t").rows == [(7,)]
            assert again.query("SELECT count(*) FROM t", at=f"{1:016x}").value() == 0

        refused = sqlatch("import", str(tmp_path / "replica"), "again")
        assert (refused.code, "'again' exists" in refused.err) == (Exit.REFUSED, True)
        refused = sqlatch("export", "--litestream", str(tmp_path / "replica"), "shop")
        assert "is not empty: name a new directory" in refused.err


def test_what_cannot_be_done_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SQLATCH_URL", raising=False)
    monkeypatch.delenv("SQLATCH_LOG", raising=False)
    for arguments, said in (
        (["import", "replica", "shop"], "give --log, or set SQLATCH_LOG"),
        (["import", "--log", "directory:log", "replica", "No/Name"], "is not a database name"),
        (["import", "--log", "elsewhere", "replica", "shop"], "SQLATCH_LOG: must be directory:"),
        (["import", "--log", "http://node", "replica", "shop"], "follows another one imports no"),
        (
            ["export", "--litestream", "out", "--log", f"directory:{tmp_path}", "shop"],
            "does not exist",
        ),
        (["export", "shop"], "no database is named"),
    ):
        assert run(arguments)
        assert said in capsys.readouterr().err


def test_a_process_that_ends_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")

    assert run(["import", "--log", "directory:log", "replica", "shop"])

    assert "the process ended with 1" in capsys.readouterr().err
