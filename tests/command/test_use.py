"""`sqlatch use`: profiles, their tokens, and the completion of a shell."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from sqlatch.client import Client
from sqlatch.command.address import DatabaseAddress
from sqlatch.command.profiles import Profile
from tests.command.conftest import ROOT, Sqlatch


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> Path:
    """The file of profiles, where no URL is in the environment."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("SQLATCH_URL")
    return Path(click.get_app_dir("sqlatch")) / "profiles.json"


def test_a_profile_names_the_database(
    sqlatch: Sqlatch, client: Client, url: str, file: Path
) -> None:
    client.execute("CREATE TABLE t AS SELECT 7 AS n")
    ask = ("query", "-o", "csv", "SELECT n FROM t")

    none = sqlatch(*ask)
    used = sqlatch("use", "main", "--url", url)
    by_profile = sqlatch(*ask)
    sqlatch("use", "other", "--url", "http://127.0.0.1:9/other")
    listed = sqlatch("use")
    by_name = sqlatch(*ask, "-u", "main")
    unknown = sqlatch(*ask, "-u", "mian")
    sqlatch("use", "--none")

    assert none.code == 2
    assert "give --url, set SQLATCH_URL, or choose one with `sqlatch use`" in none.err
    assert used.out == f"using main: {url}\n"
    assert by_profile.out == by_name.out == "n\n7\n"
    assert listed.out == f"  main  {url}\n* other  http://127.0.0.1:9/other\n"
    assert unknown.code == 2
    assert "there is no profile 'mian'; did you mean main?" in unknown.err
    assert sqlatch(*ask).code == 2
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_the_environment_goes_before_a_profile_and_it_is_said(
    sqlatch: Sqlatch, url: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLATCH_URL", "http://127.0.0.1:9/other")

    assert "SQLATCH_URL is set and goes before it" in sqlatch("use", "main", "--url", url).err
    assert sqlatch("query", "--timeout", "0.3", "SELECT 1").code == 5


def test_a_profile_is_forgotten(sqlatch: Sqlatch, url: str, file: Path) -> None:
    sqlatch("use", "main", "--url", url)

    assert sqlatch("use", "--forget", "main").out == "forgot main\n"
    assert json.loads(file.read_text()) == {"use": None, "profiles": {}}
    assert sqlatch("use", "main").code == 2


PLACES = {
    "a variable": Profile("http://h/d", token_variable="T"),
    "a file": Profile("http://h/d", token_file="token"),
    "a command": Profile("http://h/d", token_command="printf 'sec%s\\n' ret"),
}


@pytest.mark.parametrize("name", PLACES)
def test_the_places_of_a_token(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T", "secret")
    monkeypatch.chdir(tmp_path)
    Path("token").write_text("secret\n")

    assert PLACES[name].token() == "secret"


BROKEN = {
    "no such variable": (
        "--token-variable",
        "NOT_SET",
        "there is no token in the variable NOT_SET",
    ),
    "no such file": ("--token-file", "/nonexistent", "the token cannot be read: "),
    "a command that fails": ("--token-command", "exit 3", "no token was got: "),
    "a command without output": ("--token-command", "true", "there is no token in the output of"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_token_that_is_not_there_ends_a_command_before_it_asks(
    sqlatch: Sqlatch, url: str, file: Path, name: str
) -> None:
    option, place, said = BROKEN[name]
    sqlatch("use", "main", "--url", url, option, place)

    ended = sqlatch("query", "SELECT 1")

    assert ended.code == 4
    assert said in ended.err


def test_the_token_of_a_profile_is_sent_to_its_service_alone() -> None:
    profile = Profile("https://one/main", token_variable="T")
    address = DatabaseAddress(profile.url, None, 1.0, profile=profile)

    assert address.at("https://one/second").profile == profile
    assert address.at("https://two/main").profile is None
    assert address.at("http://one/main").profile is None


def test_the_token_itself_is_in_no_file(sqlatch: Sqlatch, url: str, file: Path) -> None:
    sqlatch("use", "main", "--url", url, "--token-command", "cat secret")

    assert json.loads(file.read_text())["profiles"] == {
        "main": {"url": url, "token_command": "cat secret"}
    }


def test_a_file_that_others_can_write_is_refused(sqlatch: Sqlatch, url: str, file: Path) -> None:
    sqlatch("use", "main", "--url", url)
    file.chmod(0o620)

    ended = sqlatch("query", "SELECT 1")

    assert ended.code == 2
    assert "others can write to" in ended.err


@pytest.mark.parametrize("content", ["", "[]", '{"use": null, "profiles": {"a": {"url": 1}}}'])
def test_a_file_that_cannot_be_read_is_told(sqlatch: Sqlatch, file: Path, content: str) -> None:
    file.parent.mkdir(parents=True)
    file.write_text(content)
    file.chmod(0o600)

    ended = sqlatch("use")

    assert ended.code == 2
    assert f"{file} cannot be read" in ended.err


WRONG = [
    ["main", "--token-file", "x"],
    ["--url", "http://h/d"],
    ["main", "--url", "http://h/d", "--token-file", "x", "--token-command", "y"],
    ["a/b", "--url", "http://h/d"],
    ["main", "--url", "staging"],
    ["--none", "main"],
    ["nope"],
]


@pytest.mark.parametrize("arguments", WRONG)
def test_wrong_usage_is_told(sqlatch: Sqlatch, file: Path, arguments: list[str]) -> None:
    assert sqlatch("use", *arguments).code == 2
    assert not file.exists()


COMPLETED = {
    "sqlatch lo": ["load"],
    "sqlatch load --ups": ["--upsert"],
    "sqlatch query -o js": ["json", "jsonl"],
    "sqlatch use m": ["main"],
    "sqlatch query -u m": ["main"],
}


def test_bash_completes_commands_options_and_profiles(
    sqlatch: Sqlatch, url: str, file: Path, tmp_path: Path
) -> None:
    sqlatch("use", "main", "--url", url)
    script = tmp_path / "sqlatch-bin" / "sqlatch"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m sqlatch "$@"\n')
    script.chmod(0o755)
    lines = ['eval "$(_SQLATCH_COMPLETE=bash_source sqlatch)"']
    for words in COMPLETED:
        lines += [
            f"COMP_WORDS=({words}); COMP_CWORD={len(words.split()) - 1}; COMPREPLY=()",
            '_sqlatch_completion sqlatch; echo "${COMPREPLY[@]}"',
        ]

    ended = subprocess.run(
        ["bash", "-c", "\n".join(lines)],
        env=os.environ | {"PATH": f"{script.parent}:{os.environ['PATH']}"},
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip

    assert [line.split() for line in ended.stdout.splitlines()] == list(COMPLETED.values())
