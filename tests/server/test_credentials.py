"""The key and the token of a local server, which live as long as its databases."""

import time
from pathlib import Path

import pytest

from handler.tokens import Tokens
from sqlatch.server.credentials import KEY_FILE, LEFT_S_MIN, TOKEN_FILE, kept_in
from sqlatch.tokens import sign


def is_taken(token: str, public: str) -> bool:
    access = Tokens(public).access(f"Bearer {token}", time.time())
    return access.writes and access.databases is None


def test_both_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    first = kept_in(tmp_path)

    assert kept_in(tmp_path) == first
    assert is_taken(first[1], first[0])
    files = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert files == {KEY_FILE: 0o600, TOKEN_FILE: 0o600}


@pytest.mark.parametrize("of", ["nothing", "no token", "another key", "nearly expired"])
def test_a_token_that_is_of_no_use_is_replaced(tmp_path: Path, of: str) -> None:
    public, _token = kept_in(tmp_path)
    (tmp_path / "other").mkdir()
    kept_in(tmp_path / "other")
    expires_s = LEFT_S_MIN - 60
    private = (tmp_path / KEY_FILE).read_text()
    token = {
        "nothing": "",
        "no token": "not.a.token",
        "another key": (tmp_path / "other" / TOKEN_FILE).read_text(),
        "nearly expired": sign(private, access="rw", databases="*", lifetime_s=expires_s),
    }[of]
    (tmp_path / TOKEN_FILE).write_text(token)

    again, replaced = kept_in(tmp_path)

    assert again == public
    assert replaced != token
    assert is_taken(replaced, public)
