"""The handler on one's own machine: files of events, run in order."""

import json
from pathlib import Path
from typing import Any

import pytest

from handler import local
from tests.conftest import Ask
from tests.samples import EXPECTED, SAMPLES


def answers_of(printed: str) -> list[Any]:
    answers = []
    decoder = json.JSONDecoder()
    while printed := printed.strip():
        answer, end = decoder.raw_decode(printed)
        answers.append(answer)
        printed = printed[end:]
    return answers


@pytest.mark.lease_tables
def test_every_sample_does_what_its_name_says_twice(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert [path.stem for path in SAMPLES] == list(EXPECTED)
    for _round in range(2):
        status = local.main(["invoke", *map(str, SAMPLES)])
        answers = answers_of(capsys.readouterr().out)

        assert status == 1, "one of them is a bad event"
        for path, answer in zip(SAMPLES, answers, strict=True):
            assert EXPECTED[path.stem].is_met_by(answer), (path.stem, answer)


def test_a_file_that_is_not_json_is_told(
    environment: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "event.json"
    path.write_text("SELECT 1")

    assert local.main(["invoke", str(path)]) == 1
    assert json.loads(capsys.readouterr().out)["errorType"] == "JSONDecodeError"


def test_an_unknown_command_says_which_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        local.main(["fly"])

    assert "invoke" in capsys.readouterr().err


def test_invoke_sends_a_schedule_to_the_reaper(ask: Ask) -> None:
    assert ask({"source": "aws.events"})["leases_reaped"] == []
