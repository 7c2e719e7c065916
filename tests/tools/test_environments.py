"""The environments of the commands: made once for the same sources, and again for others."""

import re
from pathlib import Path

import pytest

from tests.cloudformation import ROOT
from tools import environments, lock
from tools.environments import ENVIRONMENTS, Made

MAKEFILE = (ROOT / "Makefile").read_text()


def test_the_same_sources_make_nothing_again(tmp_path: Path) -> None:
    source = tmp_path / "dev.txt"
    source.write_text("one==1")
    made: list[str] = []
    environment = Made(tmp_path / "venv" / "stamp", (source,), lambda: made.append("made"))

    environment.bring_up_to_date()
    environment.bring_up_to_date()

    assert made == ["made"]
    source.write_text("one==2")
    environment.bring_up_to_date()
    assert made == ["made", "made"]


def test_what_could_not_be_made_is_made_again(tmp_path: Path) -> None:
    source = tmp_path / "dev.txt"
    source.write_text("one==1")
    tried: list[str] = []

    def fails() -> None:
        tried.append("tried")
        raise SystemExit("no network")

    environment = Made(tmp_path / "venv" / "stamp", (source,), fails)

    for _ in range(2):
        with pytest.raises(SystemExit):
            environment.bring_up_to_date()

    assert tried == ["tried", "tried"]


def test_the_makefile_names_each_environment_and_no_other() -> None:
    asked = set(re.findall(r"(?<![\w.-])env-[\w-]+", MAKEFILE))

    # The others bring uv's up to date before theirs.
    assert asked == {f"env-{name}" for name in ENVIRONMENTS} - {"env-uv"}


def test_what_an_environment_is_made_from_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)

    assert all(source.exists() for made in ENVIRONMENTS.values() for source in made.sources)


def test_an_unknown_name_says_which_there_are() -> None:
    with pytest.raises(SystemExit, match="no environment is named 'prod': there are uv, dev, demo"):
        environments.main(["prod"])


def test_uv_finds_packages_where_pip_is_configured_to_and_a_variable_goes_before_a_file() -> None:
    listed = (
        ":env:.cert='/etc/ssl/own.pem'\n"
        ":env:.index-url='https://variable/simple'\n"
        "global.extra-index-url='\\nhttps://one/simple\\nhttps://two/simple'\n"
        "global.find-links='/wheels /more'\n"
        "global.index-url='https://file/simple'\n"
        "global.timeout='60'\n"
        "install.index-url='https://command/simple'\n"
    )

    assert environments.settings_for_uv(listed) == {
        "UV_DEFAULT_INDEX": "https://variable/simple",
        "UV_INDEX": "https://one/simple https://two/simple",
        "UV_FIND_LINKS": "/wheels,/more",
        "SSL_CERT_FILE": "/etc/ssl/own.pem",
    }


def test_every_group_has_its_lock_file_and_every_lock_file_its_group() -> None:
    locked = {path.stem for path in (ROOT / "requirements").glob("*.txt")}

    assert locked == set(lock.groups((ROOT / "pyproject.toml").read_text()))


def test_the_makefile_is_short() -> None:
    assert len(MAKEFILE.encode()) < 6400
