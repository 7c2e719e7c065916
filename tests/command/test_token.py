"""`sqlatch token`: keys and tokens, and what is said where there are none."""

import stat
import sys
import time
from pathlib import Path

import pytest

from handler.tokens import Tokens
from sqlatch.tokens import DAY_S
from tests.command.conftest import Sqlatch
from tests.forge import PRIVATE, PUBLIC


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SQLATCH_URL", raising=False)
    return tmp_path


def test_a_token_of_a_new_key_says_what_was_asked_for(sqlatch: Sqlatch, here: Path) -> None:
    assert sqlatch("token", "key").code == 0
    options = ["--database", "b", "--database", "a", "--read-only", "--days", "0.5"]

    signed = sqlatch("token", "sign", *options)
    tokens = Tokens((here / "token.pub").read_text())
    access = tokens.access(f"Bearer {signed.out.strip()}", time.time() + DAY_S / 2 - 60)

    assert (signed.code, signed.err) == (0, "")
    assert (access.writes, access.databases) == (False, frozenset({"a", "b"}))


def test_a_token_is_for_all_databases_and_may_write_unless_told(
    sqlatch: Sqlatch, here: Path
) -> None:
    sqlatch("token", "key", "--private", "k", "--public", "p")

    signed = sqlatch("token", "sign", "--private", "k")
    tokens = Tokens((here / "p").read_text())
    access = tokens.access(f"Bearer {signed.out.strip()}", time.time() + 30 * DAY_S - 60)

    assert (access.writes, access.databases) == (True, None)


def test_a_key_is_for_its_owner(sqlatch: Sqlatch, here: Path) -> None:
    sqlatch("token", "key")

    assert stat.S_IMODE((here / "token.key").stat().st_mode) == 0o600


@pytest.mark.parametrize("there", ["token.key", "token.pub"])
def test_a_key_is_never_written_over(sqlatch: Sqlatch, here: Path, there: str) -> None:
    (here / there).write_text("mine")

    ended = sqlatch("token", "key")

    assert (ended.code, len(ended.err.splitlines())) == (2, 1)
    assert there in ended.err
    assert {path.name: path.read_text() for path in here.iterdir()} == {there: "mine"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--private", "none"], "there is no none; `sqlatch token key` makes a key"),
        (["--private", "public"], "the private key cannot be read"),
        (["--days", "0"], "a lifetime is 1 to"),
        (["--days", "367"], "a lifetime is 1 to"),
        (["--days", "nan"], "NaN"),
        (["--days", "inf"], "infinity"),
        (["--days", "soon"], "'soon' is not a valid float"),
        (["--database", "*"], "databases is a list of names"),
    ],
)
def test_what_cannot_be_signed_is_a_wrong_command_line(
    sqlatch: Sqlatch, here: Path, arguments: list[str], said: str
) -> None:
    (here / "token.key").write_text(PRIVATE)
    (here / "public").write_text(PUBLIC)

    ended = sqlatch("token", "sign", *arguments)

    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err


@pytest.mark.parametrize(("missing", "command"), [("jwt", "sign"), ("cryptography", "key")])
def test_without_its_extra_it_says_what_to_install(
    sqlatch: Sqlatch, here: Path, monkeypatch: pytest.MonkeyPatch, missing: str, command: str
) -> None:
    (here / "token.key").write_text(PRIVATE)
    for name in [name for name in sys.modules if name.partition(".")[0] == missing]:
        monkeypatch.setitem(sys.modules, name, None)

    ended = sqlatch("token", command)

    assert (ended.code, ended.out) == (2, "")
    assert "not installed: pip install 'sqlatch[cli,tokens]'" in ended.err
