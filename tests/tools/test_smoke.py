"""The smoke test of a deployed stack, on one that runs here: it sees a door that fails."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cloudformation import ROOT
from tests.hrana.conftest import PUBLIC, token
from tests.tools import deployed as fake
from tests.tools.deployed import QUERY, READ, REAPER, Deployed
from tools import smoke

IAM = {"Authorization": "IAM", "TokenKeys": ""}
JWT = {"Authorization": "JWT", "TokenKeys": ""}
IAM_WITH_KEYS = {"Authorization": "IAM", "TokenKeys": PUBLIC}
TOKEN = {"Authorization": "TOKEN", "TokenKeys": PUBLIC}
SURE = dict.fromkeys((name for name, _, _ in smoke.CHECKS if name != "kill"), "ok")
TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table'"
ALL_OK = {**SURE, "kill": "skipped"}


@pytest.fixture
def deployed(
    request: pytest.FixtureRequest, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Deployed]:
    parameters = getattr(request, "param", IAM_WITH_KEYS)
    with fake.deployed(directory, parameters, monkeypatch.setenv) as stack:
        monkeypatch.setenv("SQLATCH_TOKEN", token())
        yield stack


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[[], tuple[int, dict[str, str], str]]:
    """Run the command: its status, what each check came to, and all that it printed."""

    def run() -> tuple[int, dict[str, str], str]:
        status = smoke.main([fake.NAME])
        printed = capsys.readouterr().out
        results = re.findall(r"^(ok|skipped|failed) +([^:]+):", printed, re.MULTILINE)
        return status, {name: result for result, name in results}, printed

    return run


Run = Callable[[], tuple[int, dict[str, str], str]]


@pytest.mark.parametrize("deployed", [IAM_WITH_KEYS, TOKEN], indirect=True, ids=["IAM", "TOKEN"])
def test_every_door_of_a_stack_that_is_well_answers(deployed: Deployed, run: Run) -> None:
    status, results, printed = run()

    assert (status, results) == (0, ALL_OK), printed
    answers = re.findall(r"\?\n +(\w+)", printed)
    assert answers == ["yes", "yes", "yes"], printed
    left = deployed.functions[QUERY]({"query": TABLES, "database": "smoke"})
    assert left["rows"] == [["sqlatch_idempotency"]]


@pytest.mark.parametrize("deployed", [IAM, JWT], indirect=True, ids=["IAM", "JWT"])
def test_a_stack_without_keys_has_nothing_for_a_libsql_client(
    deployed: Deployed, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLATCH_JWT", fake.JWT)

    status, results, printed = run()

    assert (status, results) == (0, {**ALL_OK, "libSQL client": "skipped"})
    assert printed.count("not asked") == 2


@pytest.mark.parametrize("deployed", [TOKEN], indirect=True, ids=["TOKEN"])
def test_what_needs_a_token_is_skipped_without_one(
    deployed: Deployed, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SQLATCH_TOKEN")

    status, results, printed = run()

    assert (status, results) == (0, {**ALL_OK, "HTTP": "skipped", "libSQL client": "skipped"})
    assert printed.count("SQLATCH_TOKEN") == 3


def no_answer(_event: Any) -> Any:
    return {"errorType": "Runtime.ExitError", "errorMessage": "exited"}


def break_everything(stack: Deployed) -> None:
    stack.functions[QUERY] = no_answer


def cut_off_the_queues(stack: Deployed) -> None:
    stack.delivers.clear()


def harm_one_thing_each(stack: Deployed) -> None:
    """Reads get no locks, keys are forgotten, the reaper fails, and everybody is let in."""
    query = stack.functions[QUERY]

    def forgetful(event: dict[str, Any]) -> Any:
        return query({name: one for name, one in event.items() if name != "idempotency_key"})

    stack.functions[QUERY] = forgetful
    stack.functions[READ] = lambda _event: {"errorType": "DatabaseBusy", "errorMessage": "locks"}
    stack.functions[REAPER] = lambda _event: {"failures": [{"database": "main"}]}
    stack.open_to_all = True


ONE_EACH = {"idempotent repeat", "read function", "HTTP", "HTTP without credentials", "reaper"}


@pytest.mark.parametrize(
    ("harm", "failed", "wait_s", "call_s"),
    [
        (harm_one_thing_each, ONE_EACH, 60.0, 60.0),
        (cut_off_the_queues, {"queue", "FIFO queue"}, 1.0, 60.0),
        (break_everything, set(SURE) - {"reaper"}, 1.0, 1.0),
    ],
)
def test_a_door_that_does_not_answer_fails_and_its_section_is_named(
    deployed: Deployed,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    harm: Callable[[Deployed], None],
    failed: set[str],
    *,
    wait_s: float,
    call_s: float,
) -> None:
    """A time is short only where all that has it fails."""
    monkeypatch.setattr(smoke, "WAIT_S", wait_s)
    monkeypatch.setattr(smoke, "CALL_S", call_s)
    harm(deployed)

    status, results, printed = run()

    assert status == 1
    assert {name for name, result in results.items() if result == "failed"} == failed, printed
    assert set(results) == set(ALL_OK), "the others are tried"
    assert printed.count(f"look: {smoke.ANCHOR}") == len(failed)


def test_a_stack_that_is_not_there_is_said(deployed: Deployed, capsys: Any) -> None:
    assert smoke.main(["other"]) == 2
    assert "the stack 'other' cannot be found" in capsys.readouterr().err
    assert smoke.main([""]) == 2


def test_every_check_leads_to_a_section_of_the_runbook() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    headings = {one.lower().replace(" ", "-") for one in re.findall(r"^#+ (.+)$", runbook, re.M)}

    assert {section for _, section, _ in smoke.CHECKS} <= headings
