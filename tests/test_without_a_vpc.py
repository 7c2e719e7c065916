"""The page on a stack without a VPC: its commands for your own machine, run as they stand."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from handler.settings import Settings
from tests.cloudformation import ROOT, given, load, rendered
from tests.conftest import Ask

PAGE = (ROOT / "docs" / "without-a-vpc.md").read_text()
STEPS = dict(re.findall(r"^## (\d)\. .+?\n(.*?)(?=^## )", PAGE, re.DOTALL | re.MULTILINE))


def commands(step: str) -> str:
    return "\n".join(re.findall(r"```sh\n(.*?)```", STEPS[step], re.DOTALL))


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A directory with the programs of the tests where the page has them."""
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("python", "moto_server"):
        program = Path(sys.executable).parent / name
        (programs / name).write_text(f'#!/bin/sh\nexec "{program}" "$@"\n')
        (programs / name).chmod(0o755)
    return tmp_path


def test_the_commands_for_your_machine_answer_as_the_page_says(here: Path) -> None:
    script = commands("1")
    with ExitStack() as held:
        for port in ("5000", "8000"):
            free = held.enter_context(closing(socket.create_server(("127.0.0.1", 0))))
            script = script.replace(port, str(free.getsockname()[1]))
    environment = {name: one for name, one in os.environ.items() if "SQLATCH" not in name}
    environment |= {"PYTHONPATH": str(ROOT), "TMPDIR": str(here)}

    with (here / "answers").open("w+") as answers, (here / "log").open("w+") as log:
        shell = subprocess.Popen(
            ["bash", "-euc", script], cwd=here, env=environment, stdin=subprocess.DEVNULL,
            stdout=answers, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            status = shell.wait(300)
        finally:
            os.killpg(shell.pid, signal.SIGKILL)

    assert status == 0, (here / "log").read_text()
    text = (here / "answers").read_text()
    read: dict[str, Any] = json.loads(text[text.rindex('{"columns"') :])
    said = re.search(r'`"rows":(.+?)`, and `"position":"(\w+)"`', STEPS["1"])
    assert said is not None
    assert (json.loads(said[1]), said[2]) == (read["rows"], read["meta"]["position"])
    assert read["rows"] == [["home", 3]]


def test_the_requests_for_aws_are_those_that_were_run(ask: Ask) -> None:
    asked = [json.loads(one) for one in re.findall(r"^ask '(.+)'$", commands("2"), re.MULTILINE)]
    sent = re.findall(r"-d '(.+?)' ", commands("1"))

    assert asked == [json.loads(one) for one in sent]
    assert [ask(one) for one in asked][-1]["rows"] == [["home", 3]]


def test_the_table_of_the_page_is_made_as_the_template_makes_it() -> None:
    table = load("template.yaml")["Resources"]["LogTable"]["Properties"]
    page = re.sub(r"\s+", " ", commands("1"))

    for name in ("AttributeDefinitions", "KeySchema"):
        items = ", ".join(json.dumps(one) for one in table[name])
        assert f"{name}=[ {items}, ]" in page
    assert f'BillingMode="{table["BillingMode"]}"' in page


def test_the_log_of_the_page_lies_as_that_of_a_stack() -> None:
    template = load("template.yaml")
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    of_stack = rendered(variables["SQLATCH_LOG"], template, given(template, Engine="dynamodb"))
    (of_page,) = re.findall(r"export SQLATCH_LOG=(\S+)", commands("1"))

    (_, _, prefix), (_, _, prefix_of_page) = (
        Settings.from_environment({"SQLATCH_LOG": one}).log_table or ("", "", "")
        for one in (of_stack.replace("<", "a").replace(">", ""), of_page)
    )
    assert prefix == prefix_of_page == "databases/"
